/**
 * Why the workers cannot go on with a run: what its last workflow task failed with. A run that was started with another
 * release than the workers have now stands still like that, and no step of it says so.
 */
import type { FailedTask } from './held-up.ts'
import { failureView, isoOf } from './run-history.ts'
import type { ExecutionFacts } from './run-state.ts'
import { withPatience, type TemporalAccess } from './temporal.ts'

/** The end of a history: what came since the task that failed first. */
const EVENTS = 20
/**
 * WORKFLOW_TASK_FAILED_CAUSE_… of Temporal's API that are nobody's mistake: UNHANDLED_COMMAND, RESET_STICKY_TASK_QUEUE,
 * FORCE_CLOSE_COMMAND, FAILOVER_CLOSE_COMMAND, RESET_WORKFLOW.
 */
const PASSING_CAUSES: ReadonlySet<unknown> = new Set([1, 13, 17, 18, 20])

/** Null unless it has failed, and is tried again. Only the first failure of a task is in the history. */
export async function failedTaskOf(
  temporal: TemporalAccess,
  execution: { workflowId: string; runId: string },
  { taskAttempt }: Pick<ExecutionFacts, 'taskAttempt'>,
): Promise<FailedTask | null> {
  if (taskAttempt < 2) return null
  const { connection, namespace } = temporal
  const { history } = await withPatience(temporal, () =>
    connection.workflowService.getWorkflowExecutionHistoryReverse({
      namespace,
      execution,
      maximumPageSize: EVENTS,
    }),
  )
  for (const event of history?.events ?? []) {
    if (event.workflowTaskCompletedEventAttributes) return null
    const failed = event.workflowTaskFailedEventAttributes
    if (!failed) continue
    if (PASSING_CAUSES.has(failed.cause)) return null
    const unsaid = { code: 'STEP_FAILED', message: 'Temporal did not take what the worker has answered' }
    const failure = failed.failure ? await failureView(temporal, failed.failure) : unsaid
    return { at: isoOf(event.eventTime), attempt: taskAttempt, failure }
  }
  return null
}
