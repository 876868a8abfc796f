/** The context of Temporal around an activity: heartbeats, cancellation, failures, and who calls. */
import { activityInfo, Context } from '@temporalio/activity'
import { CodedError } from '../schemas/errors.ts'
import { organizationOfWorkflow } from '../schemas/names.ts'
import type { DoorDeps } from './door.ts'
import { toApplicationFailure } from './failures.ts'
import { beat } from './heartbeat.ts'

/** Often enough that a cancel arrives, and the death of a worker shows, within seconds. */
const HEARTBEAT_INTERVAL_MS = 1_000

/** Whose turn it is. An id that somebody has made up takes from the share of whom it names, and gives nothing else. */
export function organizationHere(): string {
  return organizationOfWorkflow(callerId())
}

/** The workflow that calls. Temporal says it, and no workflow can. */
export function callerId(): string {
  return activityInfo().workflowExecution?.workflowId ?? ''
}

export async function withContext<T>(
  { nowMs }: Pick<DoorDeps, 'nowMs'>,
  timeoutMs: number | null,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const context = Context.current()
  const heartbeat = setInterval(() => beat(), HEARTBEAT_INTERVAL_MS)
  try {
    return await work(context.cancellationSignal)
  } catch (error) {
    const { cancellationSignal } = context
    // A call that was cut short is no failure of the call: Temporal ends it, or, if the worker stops, tries it again.
    if (cancellationSignal.aborted && error instanceof CodedError && error.code === 'CANCELLED') {
      throw cancellationSignal.reason
    }
    // What breaks because the worker stops says nothing of the next attempt.
    if (cancellationSignal.aborted && !(error instanceof CodedError)) throw error
    throw toApplicationFailure(error, activityInfo(), timeoutMs, nowMs())
  } finally {
    clearInterval(heartbeat)
  }
}
