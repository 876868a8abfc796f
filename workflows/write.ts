/** Going through the door from a workflow, so that a cancel leaves nothing behind without an outcome. */
import { ActivityFailure, ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow'
import { NOTHING_PLANNED } from '../schemas/names.ts'
import type { Call, Envelope, PerformResult, WriteOutcome } from '../schemas/run.ts'
import { outside } from './activity-options.ts'

export function performCall(call: Call, decisions: Envelope[], summary: string): Promise<PerformResult> {
  return outside(summary).perform(call, decisions)
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
    const outcome = await endWrite(call, decisions, 'withdrawn')
    if (outcome) await onEnded(outcome)
    if (outcome && (outcome.status !== 'withdrawn' || isCancellation(error))) return outcome
    throw error
  }
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
  because: 'expired' | 'withdrawn',
): Promise<WriteOutcome | null> {
  const { organization, origin } = call
  return CancellationScope.nonCancellable(async () => {
    const { abandonWriteback } = outside(`End the write: ${because}`)
    const abandoned = await abandonWriteback({ organization, writebackId: origin.writebackId, because })
    if (abandoned.kind === 'ended') return abandoned.outcome
    if (abandoned.kind === 'never_planned') return null
    const settled = await outside('Wait for what became of the write').perform(call, decisions, 'end')
    return settled.kind === 'done' && settled.outcome.kind === 'write' ? settled.outcome : null
  })
}
