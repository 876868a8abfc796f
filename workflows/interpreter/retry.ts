/** Whether a call or code that has failed is tried again, and after which wait. */
import { ERRORS, isErrorCode } from '../../schemas/errors.ts'
import type { PlannedRetry } from '../../schemas/planned.ts'
import type { StepState, Tries } from './state.ts'

type Failed = Extract<StepState, { status: 'failed' }>

const MAX_BACKOFF_MS = 3_600_000

/** Final where they happen, and yet another try may go better: the clock of code goes on, and its machine may be less busy. Codes that the table calls retryable are tried until `timeout`. */
const WORTH_ANOTHER_TRY = new Set([
  'TOOL_FAILED',
  'CALL_REFUSED',
  'RESULT_INVALID',
  'CODE_FAILED',
  'CODE_TIMEOUT',
])

export interface NextTry {
  tries: Tries
  delayMs: number
}

/** Null: it stays failed. */
export function nextTry(retry: PlannedRetry | undefined, failed: Failed): NextTry | null {
  const { tries } = failed
  if (!retry || !tries || tries.attempt >= retry.maxAttempts || !isWorthIt(failed)) return null
  const delayMs = Math.min(retry.backoffMs * 2 ** (tries.attempt - 1), MAX_BACKOFF_MS)
  return { tries: { attempt: tries.attempt + 1, round: tries.round + 1 }, delayMs }
}

/**
 * A write is tried again only if it surely changed nothing, or if doing it twice is harmless: the target refused it, or
 * it met one that had changed. An
 * error without a writeback is that of a reading, or of a write that was never planned. Where a person had to say that it
 * was not applied, that person was promised that nothing is sent again.
 */
function isWorthIt({ writeback, error }: Failed): boolean {
  if (writeback?.status === 'failed') return error.code !== 'NOT_APPLIED' && !writeback.mayHaveChanged
  if (writeback) return writeback.status === 'conflict'
  if (!isErrorCode(error.code)) return false
  return ERRORS[error.code].retryable || WORTH_ANOTHER_TRY.has(error.code)
}
