/** Errors of PostgreSQL as ours: whether it is away, or was given what it cannot keep. */
import { errorCode, isDatabaseAway } from '../db/away.ts'
import { CodedError } from '../schemas/errors.ts'

/** Characters that UTF-8 text or jsonb cannot hold. */
const UNSTORABLE_CODES = new Set(['22P05', '22P02', '22021'])

/** Times and numbers that are out of every range. */
const OUT_OF_RANGE_CODES = new Set(['22003', '22007', '22008', '22009'])

/** It took longer than a statement may. */
const STATEMENT_ENDED_CODE = '57014'

export function databaseError(error: unknown): CodedError | undefined {
  if (!(error instanceof Error)) return undefined
  if (isDatabaseAway(error)) {
    return new CodedError('UNAVAILABLE', 'The database does not answer.', { cause: error })
  }
  if (errorCode(error) === STATEMENT_ENDED_CODE) {
    return new CodedError('UNAVAILABLE', 'The database took too long.', { cause: error })
  }
  if (UNSTORABLE_CODES.has(errorCode(error))) {
    return new CodedError('INVALID_INPUT', 'The request holds a character that cannot be stored (U+0000).', {
      cause: error,
    })
  }
  if (OUT_OF_RANGE_CODES.has(errorCode(error))) {
    return new CodedError('INVALID_INPUT', 'The request holds a time or a number that is out of range.', {
      cause: error,
    })
  }
  return undefined
}
