/**
 * What a failed statement says about the write. Before COMMIT was handed over we know by ourselves that nothing remains;
 * after it, an error is somebody's word, and only the receipt in the target tells.
 */
import { startOf } from '../../lib/cut-text.ts'
import { AddressRefusedError } from '../../lib/guarded-lookup.ts'
import type { SendWindow } from '../../lib/send-window.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Answer } from './executor.ts'
import { AnswerTooLargeError } from './sql-wire.ts'

/** No SQLSTATE means that the server did not answer. */
function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/**
 * The server itself ended the transaction, and another try may succeed. 25006 is a standby that has not become the
 * primary yet, 25P03 and 25P04 are time limits of the target's own.
 */
const ROLLED_BACK_FOR_NOW = /^(25006|25P0[34]|40001|40P01|55P03|57014|57P03|53\d{3})$/
/** The server, or what stands before it, falls, or was told to stop (57P01, 57P02). */
const FALLING = /^(08...|40003|57P0[12])$/

/**
 * With what a server refuses a COMMIT: a constraint, a trigger or a serialization that is looked at last, or a limit of
 * time. Nothing remains, if it is true: what stands before a server may answer so too, and the receipt has to say the
 * same.
 */
const REFUSED_BY_COMMIT = /^(2[23]...|25P02|40(?!003)...|4[24]...|57014|P0...)$/

export function isRefusedCommit(error: unknown): boolean {
  return REFUSED_BY_COMMIT.test(sqlStateOf(error) ?? '')
}

/** Of an attempt that has ended with this error. */
export function answerOfFailure(error: unknown, window: SendWindow): Answer {
  if (isFinal(error) && !window.hasPassed) return { kind: 'not_done', by: 'receipt', error: refused(error) }
  const unsent = window.giveUp(uncommitted(error))
  return unsent ? { kind: 'not_sent', unsent } : { kind: 'lost', error: unanswered(error), isAnswered: false }
}

/** The target refuses this write, and would again. Its receipt was claimed before: no earlier attempt has one. */
function isFinal(error: unknown): boolean {
  const sqlState = sqlStateOf(error)
  return !(error instanceof CodedError) && sqlState !== undefined && !mayPass(sqlState)
}

function mayPass(sqlState: string): boolean {
  return FALLING.test(sqlState) || ROLLED_BACK_FOR_NOW.test(sqlState)
}

export function refused(error: unknown): CodedError {
  const sqlState = sqlStateOf(error) ?? ''
  const code = mayPass(sqlState) ? 'WRITE_NOT_SENT' : 'WRITE_FAILED'
  return new CodedError(code, `${sqlState}: ${messageOf(error)}`, { cause: error })
}

/** Without its COMMIT a transaction leaves nothing behind, even if nobody answered. */
function uncommitted(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  return new CodedError('WRITE_NOT_SENT', `before COMMIT was sent: ${messageOf(error)}`, { cause: error })
}

function unanswered(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  return new CodedError('CALL_INTERRUPTED', messageOf(error), { cause: error })
}

/** No connection, no statement: whatever the reason. */
export function connectFailure(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  if (error instanceof AddressRefusedError)
    return new CodedError('ADDRESS_NOT_ALLOWED', error.message, { cause: error })
  const code = LOGIN_REFUSED.test(sqlStateOf(error) ?? '') ? 'LOGIN_REFUSED' : 'CONNECTION_NOT_READY'
  return new CodedError(code, messageOf(error), { cause: error })
}

/** A wrong password, no such login, or one that may not connect to this database. */
const LOGIN_REFUSED = /^(28...|42501)$/

/** Nothing was written yet, and no receipt is claimed: so it is no answer about the write. */
export function notBegun(error: unknown): CodedError {
  if (error instanceof CodedError) return error
  return new CodedError('WRITE_NOT_SENT', `before it was begun: ${messageOf(error)}`, { cause: error })
}

/**
 * The receipt could not be claimed, so it is not known whether an earlier attempt has one: this is never an answer about
 * the write.
 */
export function claimFailure(error: unknown): unknown {
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined || mayPass(sqlState)) return error
  return new CodedError('TARGET_NOT_PREPARED', `${sqlState}: ${messageOf(error)}`, { cause: error })
}

/**
 * What the connection names is not there (a table, a column), or not for its login. Whoever runs the target, or has
 * written the connection, can mend it, and no automation.
 */
const NOT_AS_NAMED = /^(42501|42P01|42703|3F000)$/
/** Nothing of ours: a database without an encoding (SQL_ASCII) keeps any bytes, and finds that they are not UTF-8 when it sends them. */
const NOT_UTF8 = '22021'

/** While planning nothing is written, so a lost answer is no riddle: look again. `place`: what was looked at. */
export function plannedFailure(error: unknown, place: string): CodedError {
  if (error instanceof CodedError) return error
  if (error instanceof AnswerTooLargeError)
    return new CodedError('RESULT_TOO_LARGE', `${place}: ${error.message}`, { cause: error })
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined || FALLING.test(sqlState))
    return new CodedError('CONNECTION_NOT_READY', messageOf(error), { cause: error })
  if (mayPass(sqlState)) return new CodedError('WRITE_NOT_SENT', messageOf(error), { cause: error })
  if (sqlState === NOT_UTF8)
    return new CodedError('RESULT_INVALID', `${place}: it holds a text that is not in UTF-8`, {
      cause: error,
    })
  if (NOT_AS_NAMED.test(sqlState))
    return new CodedError('TABLE_NOT_USABLE', `${place}: ${sqlState}: ${messageOf(error)}`, { cause: error })
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
  return startOf(isAboutValue ? error.message.replace(/".*"/s, '"…"') : error.message, 500)
}
