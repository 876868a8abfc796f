/**
 * Heartbeats of the activity that runs: each carries all that was said before, for Temporal keeps only the last, and
 * gives it to the next attempt.
 */
import { Context } from '@temporalio/activity'
import { ActivityCancelledError, ActivityPausedError, ActivityResetError } from '@temporalio/client'
import type { Envelope } from '../schemas/run.ts'

interface Said {
  /** Of the last attempt that was about to send. */
  claim?: Envelope
  /** What came instead of its answer. */
  lost?: Envelope
  tool?: string
  /** Earlier executions of a run that was reset were asked, and had nothing to tell. */
  knowsEarlier?: true
}

const said = new WeakMap<Context, Said>()

/** By earlier attempts too. */
function saidBy(context: Context): Said {
  const details: unknown = context.info.heartbeatDetails
  return said.get(context) ?? (typeof details === 'object' && details !== null ? details : {})
}

export function saidBefore(): Said {
  return saidBy(Context.current())
}

export function beat(more: Said = {}): void {
  const context = Context.current()
  const details = { ...saidBy(context), ...more }
  said.set(context, details)
  context.heartbeat(details)
}

/** Resolves when Temporal has it, which an ordinary heartbeat does not tell. Throws if the attempt is not ours any more. */
export async function beatAndWait(more: Said): Promise<void> {
  const context = Context.current()
  const details = { ...saidBy(context), ...more }
  said.set(context, details)
  try {
    await context.client.activity.heartbeat(context.info.taskToken, details)
  } catch (error) {
    // It was recorded. What was asked of the activity, it hears in the ordinary way.
    const isOther = [ActivityCancelledError, ActivityPausedError, ActivityResetError].some(
      (kind) => error instanceof kind,
    )
    if (!isOther) throw error
  }
}
