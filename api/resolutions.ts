/**
 * What a person has found out about a write of unknown outcome, on its way to the ledger. Here it is signed, for here
 * the person was authenticated; whether it counts is said where it is recorded.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { findWriteback, writeFactsOf, type WritebackRow } from '../db/queries/writebacks.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { signEnvelope } from '../lib/dsse.ts'
import { objectionToResolver } from '../lib/eligibility.ts'
import { writeDigest } from '../lib/write-digest.ts'
import { CodedError, isErrorCode } from '../schemas/errors.ts'
import { MESSAGES, resolutionWorkflowId, WORKFLOW_TYPES, writebackWorkflowId } from '../schemas/names.ts'
import { RESOLUTION_PAYLOAD_TYPE, type Resolution } from '../schemas/resolution.ts'
import type { ResolutionAnswer, ResolutionInput } from '../schemas/run.ts'
import type { ApiDeps } from './deps.ts'
import { newId } from './ids.ts'
import type { Principal } from './plugins/authentication.ts'
import { isTemporalAway, isUpdateDropped, withPatience } from './temporal.ts'

export interface ResolutionRequest {
  principal: Principal
  writebackId: string
  resolution: Resolution['resolution']
  comment: string
  channel: Resolution['channel']
  idempotencyKey: string | undefined
}

export interface SignedResolution {
  resolutionId: string
  /** Where it is to be sent as a signal. */
  workflowId: string
  principal: Principal
  /** As it was when it was signed for. */
  write: WritebackRow
  input: ResolutionInput
}

/** How long somebody waits for a worker before the word is left for later. */
const PATIENCE_MS = 3_000

/** Nobody signs for something else than the ledger shows. Throws NOT_FOUND, STALE_DIGEST. */
export async function signResolution(deps: ApiDeps, request: ResolutionRequest): Promise<SignedResolution> {
  const { principal, writebackId, resolution, comment, channel } = request
  const { organization } = principal
  const row = await findWriteback(deps.database, { organization, writebackId })
  if (!row) throw new CodedError('NOT_FOUND', `There is no writeback ${writebackId}.`)
  if (writeDigest(writeFactsOf(row)) !== row.digest) {
    throw new CodedError('STALE_DIGEST', `What is shown of ${writebackId} is not what was to be written.`)
  }
  const resolutionId = resolutionIdOf(request)
  const document: Resolution = {
    resolutionId,
    organization,
    writebackId,
    digest: row.digest,
    resolution,
    principal: principal.id,
    roles: principal.roles,
    method: 'api_key',
    channel,
    at: new Date().toISOString(),
    comment,
  }
  const ticket = signEnvelope(RESOLUTION_PAYLOAD_TYPE, document, deps.signingKey)
  const workflowId = writebackWorkflowId({ organization, writebackId })
  return { resolutionId, workflowId, principal, write: row, input: { organization, writebackId, ticket } }
}

/** What is known to be refused is not sent: it would cost the workflow a look, of which it has only so many. */
function assertMayResolve({ principal, write }: SignedResolution): void {
  if (write.state !== 'unknown') return
  const { id, kind, roles } = principal
  const objection = objectionToResolver(write, { principal: id, kind, roles, method: 'api_key' })
  if (objection) throw new CodedError(objection.code, objection.message)
}

/**
 * What has become of the write is told as the ledger has it. Where a workflow says that it has recorded what is not there,
 * it was none of ours: then a workflow of its own records it. Null: it is recorded for later.
 */
export async function sendResolution(
  deps: ApiDeps,
  signed: SignedResolution,
): Promise<ResolutionAnswer | null> {
  assertMayResolve(signed)
  for (const send of [deliver, recordApart]) {
    const answer = await send(deps, signed)
    if (!answer?.accepted) return answer
    const row = await findWriteback(deps.database, signed.input)
    if (row?.outcome && row.state !== 'unknown') return { ...answer, outcome: row.outcome }
  }
  throw new CodedError('UNAVAILABLE', 'Temporal says that it was recorded, and the ledger does not have it.')
}

/**
 * To the workflow that waits, as an update, which answers; as a signal if no worker takes it in time. If that workflow
 * is closed, for its run was cancelled or terminated, a workflow of its own records it.
 */
async function deliver(deps: ApiDeps, signed: SignedResolution): Promise<ResolutionAnswer | null> {
  const handle = deps.temporal.client.workflow.getHandle(signed.workflowId)
  const message = { ticket: signed.input.ticket }
  try {
    return await withPatience(
      deps.temporal,
      () =>
        handle.executeUpdate<ResolutionAnswer, [typeof message]>(MESSAGES.resolveUpdate, {
          args: [message],
          updateId: signed.resolutionId,
        }),
      PATIENCE_MS,
    )
  } catch (error) {
    if (isClosed(error)) return recordApart(deps, signed)
    if (!isTemporalAway(error) && !isUpdateDropped(error)) throw coded(error)
  }
  try {
    await withPatience(deps.temporal, () => handle.signal(MESSAGES.resolveSignal, message))
    return null
  } catch (error) {
    if (isClosed(error)) return recordApart(deps, signed)
    throw error
  }
}

async function recordApart(
  { temporal }: ApiDeps,
  { resolutionId, input }: SignedResolution,
): Promise<ResolutionAnswer | null> {
  const workflowId = resolutionWorkflowId({ ...input, resolutionId })
  const { workflow } = temporal.client
  await withPatience(temporal, () =>
    workflow.start(WORKFLOW_TYPES.resolution, { workflowId, taskQueue: temporal.taskQueue, args: [input] }),
  ).catch((error: unknown) => {
    // The same request came before: its answer is this one's.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  })
  try {
    const result = () => workflow.getHandle(workflowId).result() as Promise<ResolutionAnswer>
    return await withPatience(temporal, result, PATIENCE_MS)
  } catch (error) {
    if (isTemporalAway(error)) return null
    throw error
  }
}

/** Also of a workflow that was closing while the update came. */
function isClosed(error: unknown): boolean {
  if (error instanceof WorkflowNotFoundError) return true
  if (!(error instanceof WorkflowUpdateFailedError)) return false
  const { cause } = error
  return cause instanceof ApplicationFailure && cause.type === 'AcceptedUpdateCompletedWorkflow'
}

function coded(error: unknown): unknown {
  if (!(error instanceof WorkflowUpdateFailedError)) return error
  const { cause } = error
  if (!(cause instanceof ApplicationFailure) || !isErrorCode(cause.type)) return error
  return new CodedError(cause.type, cause.message, { cause: error })
}

/** From the caller's key, so that a request that is sent again is the same word; else by chance. */
function resolutionIdOf({ principal, writebackId, resolution, idempotencyKey }: ResolutionRequest): string {
  if (idempotencyKey === undefined) return newId('res')
  const identity = [principal.organization, principal.id, idempotencyKey, writebackId, resolution]
  return `res_${digestOf(identity).slice(0, 32)}`
}
