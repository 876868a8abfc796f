/**
 * Messages that were sent to the page above the one that they are for: a run or a writeback hands decisions to the one
 * approval below it, and a run hands a resolution to its one writeback. With none, or several, there is nobody to hand
 * it to: then the log says so.
 */
import { getExternalWorkflowHandle, log, setHandler } from '@temporalio/workflow'
import { answerSignal, approveSignal, rejectSignal, resolveSignal, SIGNAL_DESCRIPTION } from './messages.ts'

export function forwardDecisions(waitingIds: () => string[]): void {
  for (const signal of [approveSignal, rejectSignal]) {
    forward(signal, waitingIds, SIGNAL_DESCRIPTION[signal.name as 'approve' | 'reject'])
  }
  forward(answerSignal, waitingIds, 'Answer the question.')
}

export function forwardResolutions(waitingIds: () => string[]): void {
  forward(resolveSignal, waitingIds, 'Say what became of a write of unknown outcome.')
}

function forward(signal: typeof approveSignal, waitingIds: () => string[], description: string): void {
  const handOn = async (message: unknown): Promise<void> => {
    const [only, ...others] = waitingIds()
    if (!only || others.length > 0) {
      log.warn('a message came to an execution that has no single one below it that waits', {
        signal: signal.name,
        waiting: waitingIds(),
      })
      return
    }
    await getExternalWorkflowHandle(only)
      .signal(signal, message)
      .catch(() => log.warn('the wait was over when a message was handed on', { waiting: only }))
  }
  setHandler(signal, handOn, { description: `${description} Handed on to where it waits.` })
}
