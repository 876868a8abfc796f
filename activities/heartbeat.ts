/**
 * Heartbeats of the activity that runs: each carries all that was said before, for Temporal keeps only the last, and
 * gives it to the next attempt.
 */
import { isDeepStrictEqual } from 'node:util'
import { Context } from '@temporalio/activity'
import { ActivityCancelledError } from '@temporalio/client'
import type { Envelope } from '../schemas/run.ts'
import { saidByPending } from './histories.ts'

/** The worker holds a heartbeat back for 500 ms at most; one that sets this itself, for 4 s. */
const MAX_WAIT_MS = 5_000
const LOOK_INTERVAL_MS = 50

export interface Said {
  /** Of the last attempt that was about to send. */
  claim?: Envelope
  /** What came instead of its answer. */
  lost?: Envelope
  tool?: string
  /** Earlier executions of a run that was reset were asked, and had nothing to tell. */
  knowsEarlier?: true
  /** Temporal was made to forget what the attempts before have told it (`activities/erased.ts`). */
  isErased?: boolean
  /** What an attempt before has found instead: its execution came out of a Reset. */
  isAfterReset?: boolean
}

/** What the attempt has given to the SDK, with what earlier ones have said. */
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
  give(Context.current(), more)
}

/**
 * Resolves when Temporal has it, and nothing that says less can come after it, which an ordinary heartbeat does not tell.
 * Throws if the attempt is not ours any more: that of an activity that was reset or paused is about to be forgotten, and what
 * it has told with it.
 */
export async function beatAndWait(more: Said): Promise<void> {
  const context = Context.current()
  const isFirst = !said.has(context)
  const before = saidBy(context)
  const details = give(context, more)
  try {
    if (!isFirst) await untilTold(context, more)
    await tell(context, details)
  } catch (error) {
    // Nothing is sent then: the report of the failure needs no claim, for which it could be too long.
    if (more.claim) said.set(context, before)
    throw error
  }
}

/**
 * The SDK tells it when it likes, the newest last. It also adds the last that it was given to the report of a failure, so
 * that it has to have all that is told past it.
 */
function give(context: Context, more: Said): Said {
  const details = { ...saidBy(context), ...more }
  said.set(context, details)
  context.heartbeat(details)
  return details
}

/** Past the SDK, and at once. */
async function tell({ client, info }: Context, details: Said): Promise<void> {
  try {
    await client.activity.heartbeat(info.taskToken, details)
  } catch (error) {
    // It was recorded. That it is cancelled, the activity hears in the ordinary way.
    if (!(error instanceof ActivityCancelledError)) throw error
  }
}

/**
 * An earlier heartbeat of this attempt may be on its way still, and would come after what is told past it. The SDK sends
 * one after the other: when Temporal has this one from it, the earlier ones have passed.
 */
async function untilTold({ client, info }: Context, more: Said): Promise<void> {
  const { workflowExecution, activityId, heartbeatTimeoutMs = MAX_WAIT_MS } = info
  const giveUpAtMs = Date.now() + Math.min(heartbeatTimeoutMs, MAX_WAIT_MS)
  while (workflowExecution && Date.now() < giveUpAtMs) {
    const told = await saidByPending(client, workflowExecution, activityId)
    if (told.some((one) => holds(one, more))) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
  }
  throw new Error(`a heartbeat of activity ${activityId} has not come to Temporal`)
}

function holds(told: unknown, more: Said): boolean {
  return typeof told === 'object' && told !== null && isDeepStrictEqual({ ...told, ...more }, told)
}
