/** What a failed statement says about the write: surely not done, refused, or nobody knows. */
import { CodedError } from '../../schemas/errors.ts'
import type { Answer } from './executor.ts'

/** No SQLSTATE means that the server did not answer. */
function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

const UNDEFINED_TABLE = '42P01'
/** Failures before any statement ran. */
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'])
/** The server itself ended the transaction and says so: nothing of it remains, and another try may succeed. */
const ROLLED_BACK_FOR_NOW = /^(40001|40P01|55P03|57014|57P0[1-3]|53\d{3})$/

export function answerOfFailure(error: unknown): Answer {
  if (error instanceof CodedError) return { kind: 'not_sent', error }
  const message = messageOf(error)
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined) {
    if (isNotConnected(error))
      return { kind: 'not_sent', error: new CodedError('CONNECTION_NOT_READY', message, { cause: error }) }
    return { kind: 'lost', error: new CodedError('CALL_INTERRUPTED', message, { cause: error }) }
  }
  if (sqlState === UNDEFINED_TABLE && message.includes('countersign_receipts')) {
    return { kind: 'not_sent', error: new CodedError('TARGET_NOT_PREPARED', message, { cause: error }) }
  }
  if (sqlState.startsWith('08'))
    return { kind: 'lost', error: new CodedError('CALL_INTERRUPTED', message, { cause: error }) }
  if (sqlState.startsWith('28') || sqlState.startsWith('3D')) {
    return { kind: 'not_sent', error: new CodedError('CONNECTION_NOT_READY', message, { cause: error }) }
  }
  if (ROLLED_BACK_FOR_NOW.test(sqlState)) {
    return { kind: 'not_sent', error: new CodedError('WRITE_NOT_SENT', message, { cause: error }) }
  }
  return {
    kind: 'answered',
    status: 'failed',
    code: 'WRITE_FAILED',
    message: `${sqlState}: ${message}`,
    output: null,
  }
}

/** While planning nothing is written, so a lost answer is no riddle: look again. */
export function plannedFailure(error: unknown): CodedError {
  const answer = answerOfFailure(error)
  if (answer.kind === 'lost')
    return new CodedError('CONNECTION_NOT_READY', answer.error.message, { cause: error })
  if (answer.kind === 'not_sent') return answer.error
  return new CodedError('INVALID_ARGUMENTS', messageOf(error), { cause: error })
}

function isNotConnected(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string }
  if (message === 'timeout exceeded when trying to connect') return true
  const codes =
    error instanceof AggregateError ? error.errors.map((inner: { code?: string }) => inner.code) : [code]
  return codes.length > 0 && codes.every((one) => one !== undefined && NOT_CONNECTED.has(one))
}

/** Messages of the server name columns and constraints; what follows in `detail` may hold values, so it stays out. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0])
  return error instanceof Error ? error.message.slice(0, 500) : 'the database did not answer'
}
