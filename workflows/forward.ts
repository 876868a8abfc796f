/**
 * Messages that were sent to the page above the one that they are for: a run or a writeback hands decisions to the one
 * approval below it, and a run hands a resolution to its one writeback. With none, or several, there is nobody to hand
 * it to: then the page says so.
 */
import { getExternalWorkflowHandle, setHandler } from '@temporalio/workflow'
import { answerSignal, approveSignal, rejectSignal, resolveSignal, SIGNAL_DESCRIPTION } from './messages.ts'
import type { Page } from './page.ts'

export function forwardDecisions(page: Page, waitingIds: () => string[]): void {
  for (const signal of [approveSignal, rejectSignal]) {
    forward(page, signal, waitingIds, SIGNAL_DESCRIPTION[signal.name as 'approve' | 'reject'])
  }
  forward(page, answerSignal, waitingIds, 'Answer the question.')
}

export function forwardResolutions(page: Page, waitingIds: () => string[]): void {
  forward(page, resolveSignal, waitingIds, 'Say what became of a write of unknown outcome.')
}

function forward(
  page: Page,
  signal: typeof approveSignal,
  waitingIds: () => string[],
  description: string,
): void {
  const handOn = async (message: unknown): Promise<void> => {
    const [only, ...others] = waitingIds()
    if (!only || others.length > 0) {
      const several = others.length > 0
      page.note(
        `\`${signal.name}\`: ${several ? 'several things wait: send it to one of them' : 'nothing waits for it'}`,
      )
      return
    }
    await getExternalWorkflowHandle(only)
      .signal(signal, message)
      .catch(() => page.note(`\`${signal.name}\`: the wait was over when it was handed on`))
  }
  setHandler(signal, handOn, { description: `${description} Handed on to where it waits.` })
}
