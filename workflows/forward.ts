/**
 * Decisions that were sent to the page above the approval: a run or a writeback hands them to the one approval below
 * it. With none, or several, there is nobody to hand it to: then the details say so.
 */
import { getExternalWorkflowHandle, log, setHandler } from '@temporalio/workflow'
import { approveSignal, rejectSignal, SIGNAL_DESCRIPTION } from './messages.ts'

export function forwardDecisions(waitingIds: () => string[]): void {
  for (const signal of [approveSignal, rejectSignal]) {
    const forward = async (message: unknown): Promise<void> => {
      const [only, ...others] = waitingIds()
      if (!only || others.length > 0) {
        log.warn('a decision came to an execution that has no single approval waiting', {
          waiting: waitingIds(),
        })
        return
      }
      await getExternalWorkflowHandle(only)
        .signal(signal, message)
        .catch(() => log.warn('the approval was over when a decision was handed on', { approval: only }))
    }
    setHandler(signal, forward, {
      description: `${SIGNAL_DESCRIPTION[signal.name as 'approve' | 'reject']} Handed to the approval.`,
    })
  }
}
