/**
 * Jobs that keep the house in order, started by Schedules. What they do, and how old a thing must be, is not theirs to
 * say: whoever can start workflows can start these, with any input.
 */
import { workflowInfo } from '@temporalio/workflow'
import type { ReconcileReport, RetentionPosition, RetentionReport } from '../schemas/upkeep.ts'
import { upkeep } from './activity-options.ts'

/** Goes on where the last pass ended: Temporal hands a scheduled workflow the result of the one before. */
export async function reconcileWorkflow(): Promise<ReconcileReport> {
  const last = workflowInfo().lastResult as Partial<ReconcileReport> | undefined
  const { writeback, approval, alive } = last?.next ?? {}
  return upkeep('Close what dead executions have left open').reconcile({
    writeback: typeof writeback === 'string' ? writeback : '',
    approval: typeof approval === 'string' ? approval : '',
    alive: typeof alive === 'string' ? alive : '',
  })
}

/** A day with more than that is finished on the next. */
const MAX_PARTS = 100

export async function retentionWorkflow(): Promise<Omit<RetentionReport, 'next'> & { isDone: boolean }> {
  let deliveries = 0
  let payloads = 0
  let next: RetentionPosition | null = null
  for (let part = 1; part <= MAX_PARTS; part++) {
    const report = await upkeep('Delete what is no longer needed').retain(next)
    deliveries += report.deliveries
    payloads += report.payloads
    next = report.next
    if (!next) break
  }
  return { deliveries, payloads, isDone: next === null }
}
