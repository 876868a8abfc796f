/**
 * Deletes what db/retention.ts says is no longer needed, in small parts. Ages come from there and never from whoever
 * starts it, so starting it more often changes nothing. What Temporal still knows is kept, however old it is.
 *
 * Another table that is swept gets a function beside `sweepDeliveries`, a line in db/retention.ts, and its count in the
 * report.
 */
import type { Client } from '@temporalio/client'
import type { Database } from '../db/database.ts'
import { deleteDeliveries, listOldDeliveries, type OldDelivery } from '../db/queries/retention.ts'
import { DELIVERY_MIN_AGE_MS } from '../db/retention.ts'
import { inLanes } from '../lib/lanes.ts'
import { writebackWorkflowId } from '../schemas/names.ts'
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
}

export async function retain(
  deps: RetentionDeps,
  after: RetentionPosition | null,
  signal: AbortSignal,
): Promise<RetentionReport> {
  return sweepDeliveries(deps, after, signal)
}

async function sweepDeliveries(
  deps: RetentionDeps,
  after: RetentionPosition | null,
  signal: AbortSignal,
): Promise<RetentionReport> {
  const { client, database } = deps
  const report: RetentionReport = { deliveries: 0, next: after }
  // That Temporal knows nothing of a run has to mean something.
  if (!(await namespaceKnowsUs(client, database))) return { ...report, next: null }
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
