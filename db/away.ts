/** Whether an error says that PostgreSQL is away: trying again later may help, and nothing else will. */

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

export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = errorCode(error)
  return AWAY_CODES.has(code) || code.startsWith('08') || AWAY_MESSAGE.test(error.message)
}

/** Of the socket or of PostgreSQL; empty if the error has none. */
export function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
