/**
 * One call of a dry run: a reading is judged by policy and made, a write is looked at. That nothing is written does not
 * hang on a switch: of an executor this file is given what looks and not what sends, and neither the ledger nor anything
 * else that stores is within reach of its imports, which a test follows.
 *
 * Nobody is believed here either. The API has signed who asks, for which revision, and for which execution; the call has
 * to be one of that revision's steps.
 */
import type { Queryable } from '../db/database.ts'
import { loadDryCall, type DryCallRow } from '../db/queries/call-facts.ts'
import { openEnvelope } from '../lib/dsse.ts'
import { DRY_RUN_VALUE_BYTES, jsonBytes, readableBytes } from '../lib/limits.ts'
import { ruleOn, type Ruling } from '../lib/policy.ts'
import { EnvelopeSchema } from '../schemas/decision.ts'
import {
  DRY_RUN_PAYLOAD_TYPE,
  DryRunGrantSchema,
  type DryCall,
  type DryRunGrant,
  type PreviewResult,
  type WouldWrite,
} from '../schemas/dry-run.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Envelope, FieldChange, Requester } from '../schemas/run.ts'
import { findStep } from '../schemas/step-tree.ts'
import { assertSomebodyCanApprove } from './candidates.ts'
import type { Trust } from './decisions.ts'
import type { Executor, Limits, Operation, Resolved } from './executors/executor.ts'
import { callsTheSame } from './origin.ts'
import {
  assertDefinitionUnchanged,
  assertMayRead,
  deniedText,
  factsOf,
  operationOf,
  policiesOf,
  previewOf,
} from './reading.ts'

/** What of an executor changes nothing. */
export type Looker = Pick<Executor, 'name' | 'resolve' | 'read' | 'plan' | 'describe'>

export interface PreviewDeps {
  database: Queryable
  executors: { mcp: Looker; postgres: Looker }
  trust: Trust
  nowMs: () => number
}

/** Throws DRY_RUN_NOT_GRANTED, POLICY_DENIED for a reading, and what keeps it from looking. */
export async function preview(
  deps: PreviewDeps,
  { envelope, workflowId, call }: { envelope: Envelope; workflowId: string; call: DryCall },
  signal: AbortSignal,
): Promise<PreviewResult> {
  const grant = openGrant(deps, envelope, workflowId)
  const { organization, automation, requester } = grant
  const row = await loadDryCall(deps.database, { ...grant, connection: call.connection })
  assertIsStep(grant, call, row)
  const { operation, executor, timeoutMs } = operationOf(deps.executors, { ...call, organization }, row)
  const limits = { deadlineAtMs: deps.nowMs() + timeoutMs, signal }
  const resolved = await executor.resolve(operation, limits)
  const isWrite = resolved.class === 'write' || call.raisedToWrite
  if (isWrite)
    return {
      kind: 'write',
      ...(await lookAtWrite(deps, { operation, executor, resolved, limits, grant, row })),
    }
  const described = executor.describe(operation, null)
  const facts = factsOf({ operation, executor, described }, automation, 'read')
  assertMayRead(policiesOf(row), { ...facts, requester })
  const { destination } = resolved
  return { kind: 'read', output: await executor.read(operation, { ...limits, destination }) }
}

function openGrant({ trust, nowMs }: PreviewDeps, envelope: Envelope, workflowId: string): DryRunGrant {
  const parsed = EnvelopeSchema.safeParse(envelope)
  const expected = { payloadType: DRY_RUN_PAYLOAD_TYPE, purpose: 'decision' } as const
  const signed = parsed.success ? openEnvelope(parsed.data, expected, trust.keys) : null
  const grant = DryRunGrantSchema.safeParse(signed?.document)
  if (!grant.success) throw notGranted('no API of this deployment has signed it')
  if (grant.data.workflowId !== workflowId) throw notGranted('its grant is for another execution')
  if (Date.parse(grant.data.expiresAt) < nowMs())
    throw notGranted(`it was granted until ${grant.data.expiresAt}`)
  return grant.data
}

function assertIsStep({ automation, revision }: DryRunGrant, call: DryCall, { spec }: DryCallRow): void {
  const step = findStep(spec?.steps ?? [], call.path)
  if (step && callsTheSame(step, call)) return
  throw notGranted(`${automation} revision ${revision} has no such call at ${call.path}`)
}

function notGranted(why: string): CodedError {
  return new CodedError('DRY_RUN_NOT_GRANTED', why)
}

interface Look {
  operation: Operation
  executor: Looker
  resolved: Resolved
  limits: Limits
  grant: DryRunGrant
  row: DryCallRow
}

/** Throws WRITE_CONFLICT if it could not be planned, as the door does. */
async function lookAtWrite(deps: PreviewDeps, look: Look): Promise<WouldWrite> {
  const { operation, executor, resolved, limits, grant, row } = look
  const { connection } = operation
  const pinned = row.pins?.[`${connection}/${operation.operation}`] ?? null
  assertDefinitionUnchanged(operation, resolved.definitionSha256, pinned)
  const planned = await executor.plan(operation, limits)
  const described = executor.describe(operation, planned.stored)
  const facts = factsOf({ operation, executor, described }, grant.automation, 'write')
  const ruling = ruleOn(policiesOf(row), { ...facts, requester: grant.requester })
  const preview = previewOf(operation, executor, described, planned)
  return {
    preview: { ...preview, changes: preview.changes.map(shortened) },
    heldBecause: row.connection?.frozen_reason ?? null,
    ...(await judged(deps, ruling, { ...grant, operation })),
  }
}

/** A change that is too large to be told keeps its name. */
function shortened(change: FieldChange): FieldChange {
  const bytes = jsonBytes([change.before, change.after])
  if (bytes <= DRY_RUN_VALUE_BYTES) return change
  return { ...change, before: null, after: `… (${readableBytes(bytes)}, too large to be shown)` }
}

async function judged(
  deps: PreviewDeps,
  ruling: Ruling,
  {
    organization,
    requester,
    operation,
  }: { organization: string; requester: Requester; operation: Operation },
): Promise<Pick<WouldWrite, 'rule' | 'asks' | 'refusal'>> {
  if (ruling.effect === 'allow') return { rule: ruling.rule, asks: [], refusal: null }
  if (ruling.effect === 'deny') {
    const { rule } = ruling
    return { rule, asks: [], refusal: { code: 'POLICY_DENIED', message: deniedText(rule, operation) } }
  }
  const { requirement } = ruling
  const { policy, rule, stages } = requirement
  const asked = { rule: `${policy}/${rule}`, asks: stages }
  try {
    await assertSomebodyCanApprove(deps, organization, requirement, requester)
    return { ...asked, refusal: null }
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'NO_ELIGIBLE_APPROVER') throw error
    return { ...asked, refusal: { code: error.code, message: error.message } }
  }
}
