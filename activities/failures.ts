/** Our errors as Temporal's: the code becomes the failure's type, and the table says whether trying again can help. */
import { ApplicationFailure, type Info } from '@temporalio/activity'
import { CancelledFailure, TemporalFailure } from '@temporalio/common'
import { isDatabaseAway } from '../db/away.ts'
import { findWriteback } from '../db/queries/writebacks.ts'
import { startOf } from '../lib/cut-text.ts'
import { failureText } from '../lib/failure-text.ts'
import { CodedError, ERRORS } from '../schemas/errors.ts'
import { NOTHING_PLANNED } from '../schemas/names.ts'
import type { Call } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'
import { beat, type Said } from './heartbeat.ts'

/** The door itself gives up on the first, when the time of its step is over; the second waits for a person, the third for its turn. */
const NEVER_OVERDUE: readonly string[] = ['WRITE_IN_PROGRESS', 'CONNECTION_FROZEN', 'ORGANIZATION_BUSY']
/** Of a failure that nobody foresaw, in an activity without a time of its own: about ten minutes. */
const MAX_UNFORESEEN_ATTEMPTS = 25
const MAX_DETAIL_LENGTH = 500

/**
 * `timeoutMs` bounds all attempts of a step together. A write that may be under way is waited for in any case: giving
 * up would leave it without an outcome.
 */
export function toApplicationFailure(
  error: unknown,
  info: Info,
  timeoutMs: number | null,
  nowMs: number,
): unknown {
  const isLate = timeoutMs !== null && nowMs - info.scheduledTimestampMs > timeoutMs
  if (!(error instanceof CodedError)) return unforeseen(error, isLate || isWornOut(info, timeoutMs))
  const { retryable } = ERRORS[error.code]
  // What a server asks us to wait is waited for within the time of the step, and not instead of it.
  const nextAtMs = nowMs + (error.nextRetryDelayMs ?? 0)
  const isTooLate = isLate || (timeoutMs !== null && nextAtMs > info.scheduledTimestampMs + timeoutMs)
  const overdue = isTooLate && !NEVER_OVERDUE.includes(error.code)
  return ApplicationFailure.create({
    type: error.code,
    message: failureText(error.code, error.message),
    nonRetryable: !retryable || overdue,
    // Temporal takes a delay of 0 as the word that there is no next attempt.
    ...(error.nextRetryDelayMs ? { nextRetryDelay: Math.max(1, error.nextRetryDelayMs) } : {}),
  })
}

function isWornOut({ attempt }: Info, timeoutMs: number | null): boolean {
  return timeoutMs === null && attempt >= MAX_UNFORESEEN_ATTEMPTS
}

/** A database that is away comes back, and what waits for it goes on then; anything else ends with its time. */
function unforeseen(error: unknown, isOver: boolean): unknown {
  if (!isOver || error instanceof TemporalFailure || isDatabaseAway(error)) return error
  const detail = error instanceof Error ? startOf(error.message, MAX_DETAIL_LENGTH) : 'no error was thrown'
  return ApplicationFailure.create({
    type: 'INTERNAL',
    message: failureText('INTERNAL', detail),
    nonRetryable: true,
    ...(error instanceof Error ? { cause: error } : {}),
  })
}

/**
 * What a workflow has to know of a failure. Temporal forgets the heartbeats of an activity that is over, so the claim of a
 * write that may have been sent goes along. Without one, a final failure of a call that has no row in the ledger says so:
 * then there is nothing that a workflow has to end.
 */
export async function tellingEnd<T>(
  { database }: Pick<DoorDeps, 'database'>,
  { organization, origin: { writebackId } }: Call,
  work: () => Promise<T>,
  told: () => Said,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    // So that the next attempt is given a heartbeat, if only an empty one: then it can tell that none was erased.
    beat()
    const { claim, isErased } = told()
    if (claim || isErased) throw withDetail(error, { ...(claim && { claim }), ...(isErased && { isErased }) })
    if (!(error instanceof ApplicationFailure) || error.nonRetryable !== true) throw error
    if (await findWriteback(database, { organization, writebackId })) throw error
    throw withDetail(error, NOTHING_PLANNED)
  }
}

function withDetail(error: unknown, detail: unknown): unknown {
  const details = [detail]
  if (error instanceof CancelledFailure) return new CancelledFailure(error.message, details)
  if (!(error instanceof ApplicationFailure)) return ApplicationFailure.fromError(error, { details })
  const { type, message, nonRetryable, nextRetryDelay, cause } = error
  return ApplicationFailure.create({
    type: type ?? 'STEP_FAILED',
    message,
    details,
    nonRetryable: nonRetryable === true,
    ...(nextRetryDelay ? { nextRetryDelay } : {}),
    ...(cause ? { cause } : {}),
  })
}
