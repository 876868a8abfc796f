/** Where a run ends because it has grown too large: by a code of ours, before Temporal terminates it. Pure. */
import type { JsonValue } from '../../lib/json.ts'
import {
  LIMITS,
  MAX_RUN_SIZE,
  MAX_VALUE_SIZE,
  readableBytes,
  sizeOf,
  sumOf,
  tooLarge,
} from '../../lib/limits.ts'
import { CodedError } from '../../schemas/errors.ts'
import { sizeOfStep, type RunState, type SettledStep, type StepError } from './state.ts'

/** Throws VALUE_TOO_LARGE. */
export function assertValueSize(what: string, value: JsonValue): void {
  const problem = valueProblem(what, value)
  if (problem) throw new CodedError('VALUE_TOO_LARGE', problem)
}

/** Null if the value is not too large. */
export function valueProblem(what: string, value: JsonValue): string | null {
  return tooLarge(what, sizeOf(value), MAX_VALUE_SIZE)
}

/** A step whose output the run cannot keep has failed; what became of a write behind it stays known. */
export function keepable(state: RunState, settled: SettledStep): SettledStep {
  if (settled.status !== 'completed') return settled
  const together = sumOf(state.kept, sizeOfStep(settled))
  const problem =
    valueProblem('the output', settled.output) ??
    tooLarge('all values of the run together', together, MAX_RUN_SIZE)
  if (problem === null) return settled
  return { ...settled, status: 'failed', output: null, error: { code: 'VALUE_TOO_LARGE', message: problem } }
}

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
