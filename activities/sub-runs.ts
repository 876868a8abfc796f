/**
 * A run that a step of another run starts. Like every start it is a delivery, which freezes the automation's revision
 * and whom it is for; and like every call it is believed only as far as our own records go: the run around it must have
 * been started by a delivery of ours, and its revision must have a step that starts this automation.
 */
import type { Client } from '@temporalio/client'
import { inTransaction, type Database } from '../db/database.ts'
import {
  findDeliveryByKey,
  hasLeftTraces,
  insertDelivery,
  loadOrigin,
  markDeliveryStarted,
  type DeliveredRun,
  type DeliveryRow,
} from '../db/queries/deliveries.ts'
import { findHead, findRevision, type RevisionRow } from '../db/queries/manifests.ts'
import { listPauses } from '../db/queries/pauses.ts'
import { digestOf, sha256Hex } from '../lib/canonical-json.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { MAX_RUN_DEPTH } from '../lib/limits.ts'
import { pausedBecause } from '../lib/pauses.ts'
import { inputPlaces } from '../lib/run-input.ts'
import { CodedError } from '../schemas/errors.ts'
import type { AutomationSpec } from '../schemas/manifests.ts'
import { runWorkflowId, subRunKeyOf } from '../schemas/names.ts'
import { compilePlan } from '../schemas/plan.ts'
import type { Origin, Requester, RunInput } from '../schemas/run.ts'
import { executionState } from './executions.ts'
import { verifySubRunOrigin } from './origin.ts'

export interface SubRunRequest {
  organization: string
  /** Of the step that starts it. */
  origin: Origin
  automation: string
  input: JsonValue
}

export type SubRun = Pick<RunInput, 'deliveryId' | 'runId' | 'plan' | 'input'> & { workflowId: string }

export interface SubRunDeps {
  database: Database
  client: Client
  /** The id of the workflow that calls, as Temporal says it. */
  caller: string
}

/** Asked again, it gives the same run: same id, same revision, same input. Throws SUB_RUN_FORGOTTEN. */
export async function openSubRun(deps: SubRunDeps, request: SubRunRequest): Promise<SubRun> {
  const { database, caller } = deps
  const { organization, origin, automation } = request
  const row = await loadOrigin(database, { organization, ...origin })
  const { run: around, requester } = verifySubRunOrigin(request, caller, row)
  const source = sourceOf(origin)
  const earlier = await findDeliveryByKey(database, { organization, source, dedupeKey: subRunKeyOf(origin) })
  const delivery =
    earlier ?? (await store(database, request, { requester, depth: (around.parent?.depth ?? 1) + 1 }))
  const run = frozenRun(request, requester, delivery)
  if (earlier) await assertNotForgotten(deps, organization, earlier.id, run)
  const { runId, workflowId, revision, input } = run
  const pinned = await findRevision(database, {
    organization,
    kind: 'Automation',
    name: automation,
    number: revision,
  })
  const plan = compilePlan(automation, revision, specOf(pinned, `${automation} revision ${revision}`))
  return { deliveryId: delivery.id, runId, workflowId, plan, input }
}

/**
 * Where Temporal no longer knows the run, it would start anew. It would meet the writes that it has made, but not what
 * leaves no row: it would read again, and perhaps write something else because of it.
 */
async function assertNotForgotten(
  { database, client }: SubRunDeps,
  organization: string,
  deliveryId: string,
  { runId, workflowId }: DeliveredRun,
): Promise<void> {
  if (!(await hasLeftTraces(database, { organization, deliveryId, source: `run/${runId}` }))) return
  if ((await executionState(client, workflowId, Date.now())) !== 'gone') return
  throw new CodedError('SUB_RUN_FORGOTTEN', `${runId} has written or started something before`)
}

/** The automation as it is now, if it takes this input. */
async function store(
  database: Database,
  request: SubRunRequest,
  { requester, depth }: { requester: Requester; depth: number },
): Promise<DeliveryRow> {
  const { organization, origin, automation, input } = request
  if (depth > MAX_RUN_DEPTH) throw new CodedError('LIMIT_EXCEEDED', `runs are ${MAX_RUN_DEPTH} deep already`)
  const head = await findHead(database, { organization, kind: 'Automation', name: automation })
  await assertFits(specOf(head, automation), request)
  const paused = pausedBecause(
    await listPauses(database, { organization, automations: [automation] }),
    automation,
  )
  if (paused) throw paused
  const parent = { runId: origin.runId, path: origin.path, depth }
  const run = { automation, revision: head?.number ?? 0, input, parent }
  return inTransaction(database, async (tx) => {
    const inserted = await insertDelivery(tx, deliveryOf(request, requester, run))
    // The run around it starts it, as its child: nobody else is to.
    await markDeliveryStarted(tx, { id: inserted.id })
    return inserted
  })
}

function deliveryOf(
  request: SubRunRequest,
  requester: Requester,
  run: Omit<DeliveredRun, 'runId' | 'workflowId'>,
): Parameters<typeof insertDelivery>[1] {
  const { organization, origin } = request
  const [source, key] = [sourceOf(origin), subRunKeyOf(origin)]
  const id = `dlv_${idOf('delivery', organization, source, key)}`
  const runId = `run_${idOf('run', organization, source, key)}`
  const workflowId = runWorkflowId({ organization, automation: run.automation, deliveryId: id })
  const requestSha256 = digestOfRequest(request, requester)
  return {
    id,
    organization,
    source,
    dedupeKey: key,
    requestSha256,
    requester,
    runs: [{ runId, workflowId, ...run }],
  }
}

/** What was opened first stands, if it was opened for the same. */
function frozenRun(request: SubRunRequest, requester: Requester, delivery: DeliveryRow): DeliveredRun {
  const [run] = delivery.runs
  if (run && delivery.request_sha256 === digestOfRequest(request, requester)) return run
  throw new CodedError('IDEMPOTENCY_CONFLICT', `${request.origin.path} has started another run before`)
}

function digestOfRequest({ automation, input, origin }: SubRunRequest, requester: Requester): string {
  return digestOf({ automation, input, requester, path: origin.path })
}

/** They follow from the step, so that two attempts at once open the same run. */
function idOf(...parts: string[]): string {
  return sha256Hex(parts.join('\n')).slice(0, 32)
}

function sourceOf(origin: Origin): string {
  return `run/${origin.runId}`
}

function specOf(row: RevisionRow | undefined, what: string): AutomationSpec {
  if (row?.body.kind === 'Automation') return row.body.spec
  throw new CodedError('NOT_FOUND', `there is no automation ${what}`)
}

async function assertFits(
  spec: AutomationSpec,
  { organization, automation, input }: SubRunRequest,
): Promise<void> {
  const [first, ...others] = await inputPlaces(spec.input as JsonObject | undefined, input, organization)
  if (!first) return
  const more = others.length > 0 ? `, and ${others.length} more` : ''
  const what = `${automation} does not take this: ${first.path}: ${first.message}${more}`
  throw new CodedError('INVALID_ARGUMENTS', what)
}
