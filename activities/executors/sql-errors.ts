/** What a failed statement says about the write: surely not done, refused, or nobody knows. */
import { AddressRefusedError } from '../../lib/guarded-lookup.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Answer } from './executor.ts'

/** No SQLSTATE means that the server did not answer. */
function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/**
 * The server itself ended the transaction and says so: nothing of it remains, and another try may succeed. 25006 is a
 * standby that has not become the primary yet, 25P03 and 25P04 are time limits of the target's own.
 */
const ROLLED_BACK_FOR_NOW = /^(25006|25P0[34]|40001|40P01|55P03|57014|57P03|53\d{3})$/
/**
 * The server, or what stands before it, does not know either. One that crashes or is shut down at once (57P01, 57P02)
 * says so to everybody, also to somebody whose COMMIT it has just done.
 */
const NOBODY_KNOWS = /^(08...|40003|57P0[12])$/

/**
 * What the server says when it refuses a COMMIT and has rolled back: a constraint, a trigger or a serialization that is
 * looked at last, or a limit of time. Anything else may come from what stands before it, or from a server that falls.
 */
const ROLLED_BACK_BY_COMMIT = /^(2[23]...|25P02|40(?!003)...|4[24]...|57014|P0...)$/

/** An answer to COMMIT that does not surely come from a rollback is none: the receipt in the target tells. */
export function committed(error: unknown): unknown {
  const sqlState = sqlStateOf(error)
  if (error instanceof CodedError || sqlState === undefined) return error
  if (ROLLED_BACK_BY_COMMIT.test(sqlState)) return error
  return new Error(`COMMIT: ${sqlState}: ${messageOf(error)}`, { cause: error })
}

export function answerOfFailure(error: unknown): Answer {
  if (error instanceof CodedError) return { kind: 'not_sent', error }
  const message = messageOf(error)
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined || NOBODY_KNOWS.test(sqlState)) {
    return { kind: 'lost', error: new CodedError('CALL_INTERRUPTED', message, { cause: error }) }
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

/** No connection, no statement: whatever the reason. */
export function connectFailure(error: unknown): CodedError {
  if (error instanceof AddressRefusedError)
    return new CodedError('ADDRESS_NOT_ALLOWED', error.message, { cause: error })
  return new CodedError('CONNECTION_NOT_READY', messageOf(error), { cause: error })
}

/** Without its COMMIT a transaction leaves nothing behind, even if nobody answered. */
export function uncommitted(error: unknown): unknown {
  const sqlState = sqlStateOf(error)
  if (error instanceof CodedError || (sqlState !== undefined && !NOBODY_KNOWS.test(sqlState))) return error
  return new CodedError('WRITE_NOT_SENT', `before COMMIT was sent: ${messageOf(error)}`, { cause: error })
}

/**
 * The receipt could not be claimed, so it is not known whether an earlier attempt has one: this is never an answer about
 * the write.
 */
export function claimFailure(error: unknown): unknown {
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined || NOBODY_KNOWS.test(sqlState) || ROLLED_BACK_FOR_NOW.test(sqlState))
    return error
  return new CodedError('TARGET_NOT_PREPARED', `${sqlState}: ${messageOf(error)}`, { cause: error })
}

/** While planning nothing is written, so a lost answer is no riddle: look again. */
export function plannedFailure(error: unknown): CodedError {
  const answer = answerOfFailure(error)
  if (answer.kind === 'lost')
    return new CodedError('CONNECTION_NOT_READY', answer.error.message, { cause: error })
  if (answer.kind === 'not_sent') return answer.error
  return new CodedError('INVALID_ARGUMENTS', messageOf(error), { cause: error })
}

/**
 * Messages of the server name columns and constraints. Those about a value that does not fit (class 22) quote it, and
 * `detail` may hold values, so both stay out.
 */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0])
  if (!(error instanceof Error)) return 'the database did not answer'
  const isAboutValue = sqlStateOf(error)?.startsWith('22') ?? false
  return (isAboutValue ? error.message.replace(/".*"/s, '"…"') : error.message).slice(0, 500)
}
