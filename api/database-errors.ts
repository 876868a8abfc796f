/** Errors of PostgreSQL as ours: whether it is away, or was given what it cannot keep. */
import { CodedError } from '../schemas/errors.ts'

/** Of the socket, and SQLSTATEs: shutting down, starting, too many connections, deadlock, serialization. */
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '40P01',
  '40001',
])
/** pg says these without a code. */
const AWAY_MESSAGE = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/
/** Characters that UTF-8 text or jsonb cannot hold. */
const UNSTORABLE_CODES = new Set(['22P05', '22P02', '22021'])

export function databaseError(error: unknown): CodedError | undefined {
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (AWAY_CODES.has(code) || code.startsWith('08') || AWAY_MESSAGE.test(error.message)) {
    return new CodedError('UNAVAILABLE', 'The database does not answer.', { cause: error })
  }
  if (UNSTORABLE_CODES.has(code)) {
    return new CodedError('INVALID_INPUT', 'The request holds a character that cannot be stored (U+0000).', {
      cause: error,
    })
  }
  return undefined
}
