/**
 * Deletes what db/retention.ts says is no longer needed, in small parts. Ages come from there and never from whoever
 * starts it, so starting it more often changes nothing. What Temporal still knows is kept, however old it is.
 *
 * Another table that is swept gets a function beside `sweepPayloads`, a line in db/retention.ts, and its count in the
 * report.
 */
import type { Client } from '@temporalio/client'
import type { Database } from '../db/database.ts'
import { deleteDeliveries, listOldDeliveries, type OldDelivery } from '../db/queries/retention.ts'
import { deletePayloads } from '../db/queries/payloads.ts'
import { DELIVERY_MIN_AGE_MS, PAYLOAD_AGES_MS, PAYLOAD_LAG_MS } from '../db/retention.ts'
import { inLanes } from '../lib/lanes.ts'
import { WORKFLOW_TYPES, writebackWorkflowId } from '../schemas/names.ts'
import type { RetentionPosition, RetentionReport } from '../schemas/upkeep.ts'
import { executionState, namespaceKnowsUs } from './executions.ts'

/** Rows of one statement: locks are short. */
const BATCH = 100
/** Of one attempt, so that one that dies repeats little. */
const BATCHES = 20
const LANES = 8

export interface RetentionDeps {
  database: Database
  client: Client
  nowMs: () => number
}

export async function retain(
  deps: RetentionDeps,
  after: RetentionPosition | null,
  signal: AbortSignal,
): Promise<RetentionReport> {
  // That Temporal knows nothing of a run has to mean something.
  if (!(await namespaceKnowsUs(deps.client, deps.database))) return { deliveries: 0, payloads: 0, next: null }
  const swept = await sweepDeliveries(deps, after, signal)
  if (swept.next !== null) return { ...swept, payloads: 0 }
  return { ...swept, payloads: await sweepPayloads(deps, signal) }
}

async function sweepDeliveries(
  deps: RetentionDeps,
  after: RetentionPosition | null,
  signal: AbortSignal,
): Promise<Omit<RetentionReport, 'payloads'>> {
  const { client, database } = deps
  const report: Omit<RetentionReport, 'payloads'> = { deliveries: 0, next: after }
  for (let batch = 0; batch < BATCHES && !signal.aborted; batch++) {
    const old = await listOldDeliveries(database, {
      minAgeMs: DELIVERY_MIN_AGE_MS,
      after: report.next,
      limit: BATCH,
    })
    const ids: string[] = []
    await inLanes(old, LANES, async (delivery) => {
      if (await isForgotten(client, delivery)) ids.push(delivery.id)
    })
    report.deliveries += await deleteDeliveries(database, { ids, minAgeMs: DELIVERY_MIN_AGE_MS })
    const last = old.at(-1)
    report.next = old.length < BATCH || !last ? null : { receivedAt: last.received_at, id: last.id }
    if (!report.next) break
  }
  return report
}

/** Whether no execution that came of it is left: none that could be reset, resent or looked at. */
async function isForgotten(client: Client, delivery: OldDelivery): Promise<boolean> {
  const { organization, run_workflow_ids, writeback_ids, approval_workflow_ids } = delivery
  const workflowIds = [
    ...run_workflow_ids,
    ...writeback_ids.map((writebackId) => writebackWorkflowId({ organization, writebackId })),
    ...approval_workflow_ids,
  ]
  for (const workflowId of workflowIds) {
    if ((await executionState(client, workflowId, Date.now())) !== 'gone') return false
  }
  return true
}

async function sweepPayloads(deps: RetentionDeps, signal: AbortSignal): Promise<number> {
  const usedBefore = await unusedBefore(deps)
  let deleted = 0
  if (usedBefore === null) return deleted
  for (let batch = 0; batch < BATCHES && !signal.aborted; batch++) {
    const count = await deletePayloads(deps.database, { usedBefore, limit: BATCH })
    deleted += count
    if (count < BATCH) break
  }
  return deleted
}

/** Null where nothing may go: executions are too old, or there is no run at all, as in a wrong namespace. */
async function unusedBefore({ client, nowMs }: RetentionDeps): Promise<Date | null> {
  const runs = await client.workflow.count(`WorkflowType = '${WORKFLOW_TYPES.automation}'`)
  if (runs.count === 0) return null
  for (const ageMs of PAYLOAD_AGES_MS) {
    const startedBefore = new Date(nowMs() - ageMs)
    const older = await client.workflow.count(`StartTime < '${startedBefore.toISOString()}'`)
    if (older.count === 0) return new Date(startedBefore.getTime() - PAYLOAD_LAG_MS)
  }
  return null
}
