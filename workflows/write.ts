/** Going through the door from a workflow, so that a cancel leaves nothing behind without an outcome. */
import { CancellationScope, isCancellation } from '@temporalio/workflow'
import type { Call, Envelope, PerformResult, WriteOutcome } from '../schemas/run.ts'
import { outside } from './activity-options.ts'

/**
 * Before it is sent, a cancelled write is withdrawn; once it is sent, its outcome is waited for. A cancelled reading,
 * and a write that was not even planned, just end.
 */
export async function performCall(
  call: Call,
  decisions: Envelope[],
  summary: string,
): Promise<PerformResult> {
  try {
    return await outside(summary).perform(call, decisions)
  } catch (error) {
    if (!isCancellation(error)) throw error
    const outcome = await endWrite(call, decisions, 'withdrawn')
    if (!outcome) throw error
    return { kind: 'done', outcome }
  }
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
    const settled = await outside('Wait for what became of the write').perform(call, decisions)
    return settled.kind === 'done' && settled.outcome.kind === 'write' ? settled.outcome : null
  })
}
