/** Going through the door from a workflow, so that a cancel leaves nothing behind without an outcome. */
import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  isCancellation,
  TimeoutFailure,
  workflowInfo,
} from '@temporalio/workflow'
import { claimIn } from '../lib/told-claim.ts'
import { NOTHING_PLANNED } from '../schemas/names.ts'
import type { Asks, Call, Envelope, NotWanted, PerformResult, WriteOutcome } from '../schemas/run.ts'
import { nearby, outside } from './activity-options.ts'
import { stepErrorOf } from './failures.ts'
import { lend, onCancel } from './scopes.ts'

/**
 * Temporal keeps what an attempt has told it for the next one, and forgets it when the activity is cancelled between two
 * of them. So the cancel is passed on after that was read, and what was read goes along with the failure.
 */
export function performCall(call: Call, decisions: Envelope[], summary: string): Promise<PerformResult> {
  const scope = CancellationScope.current()
  const ask = () => lend(call, (lent) => outside(summary).perform(lent, decisions, asks()))
  if (scope.consideredCancelled) return ask()
  return CancellationScope.nonCancellable(async () => {
    const asking = new CancellationScope()
    let claim: Envelope | null = null
    const forget = onCancel(scope, async () => {
      claim = await nearby().findToldClaim(aboutClaim(call))
      asking.cancel()
    })
    try {
      return await asking.run(ask)
    } catch (error) {
      throw claim && isCancellation(error) ? new CancelledFailure('it was cancelled', [{ claim }]) : error
    } finally {
      forget()
    }
  })
}

/** An execution that came out of a Reset has the first one’s id besides its own. */
function asks(): Asks {
  const { runId, firstExecutionRunId } = workflowInfo()
  return runId === firstExecutionRunId ? {} : { afterReset: true }
}

function aboutClaim({ organization, origin: { writebackId } }: Call): {
  organization: string
  writebackId: string
} {
  return { organization, writebackId }
}

/** What Temporal was told of the attempt that has failed, or of one before it. */
function claimOf(error: unknown): Envelope | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : error
  const isTold = cause instanceof ApplicationFailure || cause instanceof CancelledFailure
  const said = cause instanceof TimeoutFailure ? cause.lastHeartbeatDetails : isTold && cause.details?.[0]
  return claimIn(said) as Envelope | undefined
}

/**
 * Work on a call that leaves no open row in the ledger, however it fails: before it is sent, a write is withdrawn; once
 * it is sent, its outcome is waited for, and counts more than the failure. A reading, and a write that was not even
 * planned, just fail. `onEnded` is told what became of the write also where the failure counts.
 */
export async function settling<Result>(
  call: Call,
  decisions: Envelope[],
  work: () => Promise<Result>,
  onEnded: (outcome: WriteOutcome) => void | Promise<void> = () => undefined,
): Promise<Result | WriteOutcome> {
  try {
    return await work()
  } catch (error) {
    if (isUnplanned(error)) throw error
    const outcome = await endWrite(call, decisions, notWantedAfter(error), claimOf(error))
    if (outcome) await onEnded(outcome)
    if (outcome && (outcome.status !== 'withdrawn' || isCancellation(error))) return outcome
    throw error
  }
}

function notWantedAfter(error: unknown): NotWanted {
  return isCancellation(error)
    ? { because: 'withdrawn' }
    : { because: 'withdrawn', failedWith: stepErrorOf(error).code }
}

/** The door has said so: the ledger knows nothing of the call. */
export function isUnplanned(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : undefined
  return cause instanceof ApplicationFailure && cause.details?.[0] === NOTHING_PLANNED
}

/** Null if there was nothing to end. */
export async function endWrite(
  call: Call,
  decisions: Envelope[],
  notWanted: NotWanted,
  claim?: Envelope,
): Promise<WriteOutcome | null> {
  return CancellationScope.nonCancellable(async () => {
    const { abandonWriteback } = outside(`End the write: ${notWanted.because}`)
    const abandoned = await abandonWriteback({ ...aboutClaim(call), ...notWanted, claim })
    if (abandoned.kind === 'ended') return abandoned.outcome
    if (abandoned.kind === 'never_planned') return null
    const settled = await outside('Wait for what became of the write').perform(call, decisions, {
      ...asks(),
      toEnd: notWanted,
    })
    return settled.kind === 'done' && settled.outcome.kind === 'write' ? settled.outcome : null
  })
}
