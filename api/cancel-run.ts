/**
 * Cancelling a run, whether or not it was started. As long as its delivery is pending the cancellation is kept in its
 * row, where whoever starts the delivery must see it; a start that is under way meanwhile is cancelled by Temporal.
 */
import { markRunCancelled, type DeliveredRun } from '../db/queries/deliveries.ts'
import { CodedError } from '../schemas/errors.ts'
import { cancelExecution } from './deliveries/start.ts'
import type { ApiDeps } from './deps.ts'
import { describeRun } from './run-state.ts'
import { requireRun, type RunName } from './run-view.ts'
import { isTemporalAway, withPatience } from './temporal.ts'

/** Throws NOT_FOUND, RUN_OVER, and what Temporal's client throws while Temporal is away and the run is started. */
export async function cancelRun(deps: ApiDeps, name: RunName): Promise<void> {
  const { database, temporal } = deps
  const { delivery, run } = await requireRun(deps, name)
  const isPending = await markRunCancelled(database, { id: delivery.id, runId: run.runId })
  if (!isPending) return cancelStarted(deps, run)
  // Whoever starts the delivery later also cancels what was started of it before.
  if (temporal.presence.isAway()) return
  try {
    await withPatience(temporal, () => cancelExecution(temporal, run))
  } catch (error) {
    if (!isTemporalAway(error)) throw error
  }
}

/** Temporal itself accepts the cancellation of what is closed. */
async function cancelStarted({ temporal }: ApiDeps, run: DeliveredRun): Promise<void> {
  const { state } = await describeRun(temporal, run.workflowId, 'no_longer_kept')
  const isCancelled =
    state === 'running' && (await withPatience(temporal, () => cancelExecution(temporal, run)))
  if (!isCancelled) throw new CodedError('RUN_OVER', `Nothing of ${run.runId} is open.`)
}
