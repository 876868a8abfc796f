/** Where a run ends because it has grown too large: by a code of ours, before Temporal terminates it. Pure. */
import { LIMITS, readableBytes } from '../../lib/limits.ts'
import type { StepError } from './state.ts'

export function historyProblem(history: { historyLength: number; historySize: number }): StepError | null {
  const { historyLength, historySize } = history
  if (historyLength <= LIMITS.historyEvents && historySize <= LIMITS.historyBytes) return null
  return {
    code: 'RUN_TOO_LARGE',
    message:
      `the history has ${historyLength} events and ${readableBytes(historySize)}; ` +
      `a run goes on up to ${LIMITS.historyEvents} events and ${readableBytes(LIMITS.historyBytes)}`,
  }
}
