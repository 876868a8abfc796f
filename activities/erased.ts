/**
 * Heartbeats that were erased by hand. `temporal activity reset --reset-heartbeats`, and `unpause` with it, have Temporal
 * forget what attempts have told it, and a ledger that has lost a claim is then disproved by nobody.
 */
import { Context, type Info } from '@temporalio/activity'
import { claimIn } from '../lib/told-claim.ts'
import type { Envelope } from '../schemas/run.ts'
import { beat, saidBefore } from './heartbeat.ts'
import { lookBack, saysErased } from './histories.ts'

/**
 * As many attempts may have been lost without a word: a worker that stands still takes up one for each of its polls, and
 * lets each of them time out. By then it has stood for half a minute.
 */
const MAX_UNHEARD = 4

/**
 * Every attempt that fails leaves a heartbeat, and of one whose worker dies Temporal keeps that it has timed out. An attempt
 * that is not the first and is given neither comes after a reset: of its activity, which it notes for those behind it, or
 * of its execution, whose earlier ones can be asked. Gives whether it is the latter.
 */
export async function notingErased(): Promise<boolean> {
  const { client, info } = Context.current()
  const { workflowExecution, activityId } = info
  const { isErased: noted, isAfterReset: isReset = false } = saidBefore()
  if (noted !== undefined || !workflowExecution || !isUnheard(info)) return isReset
  // Noted first: should this attempt not come to its look, its own failure is all that the next one would see.
  beat({ isErased: true })
  const { failure, said, isAfterReset } = await lookBack(client, workflowExecution, activityId)
  if (failure === 'none') {
    if (isAfterReset) beat({ isErased: false, isAfterReset })
    return isAfterReset
  }
  const claim = said.map(claimIn).find((one) => one !== undefined) as Envelope | undefined
  const isMissing = failure === 'cut' || (failure === 'unheard' && info.attempt > MAX_UNHEARD)
  const isErased = said.some(saysErased) || (isMissing && !claim)
  beat({ isErased, ...(claim && { claim }) })
  return false
}

function isUnheard({ heartbeatDetails, attempt, ...info }: Info): boolean {
  const isLater = info.currentAttemptScheduledTimestampMs > info.scheduledTimestampMs
  return heartbeatDetails === undefined && (attempt > 1 || isLater)
}
