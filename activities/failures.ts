/** Our errors as Temporal's: the code becomes the failure's type, and the table says whether trying again can help. */
import { ApplicationFailure, type Info } from '@temporalio/activity'
import { findWriteback } from '../db/queries/writebacks.ts'
import { failureText } from '../lib/failure-text.ts'
import { CodedError, ERRORS } from '../schemas/errors.ts'
import { NOTHING_PLANNED } from '../schemas/names.ts'
import type { Call } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'

/** The door itself gives up on the first, when the time of its step is over; the second waits for a person. */
const NEVER_OVERDUE: readonly string[] = ['WRITE_IN_PROGRESS', 'CONNECTION_FROZEN']

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
  if (!(error instanceof CodedError)) return error
  const { retryable } = ERRORS[error.code]
  const overdue =
    timeoutMs !== null && nowMs - info.scheduledTimestampMs > timeoutMs && !NEVER_OVERDUE.includes(error.code)
  return ApplicationFailure.create({
    type: error.code,
    message: failureText(error.code, error.message),
    nonRetryable: !retryable || overdue,
    // Temporal takes a delay of 0 as the word that there is no next attempt.
    ...(error.nextRetryDelayMs ? { nextRetryDelay: Math.max(1, error.nextRetryDelayMs) } : {}),
  })
}

/** A final failure of a call that has no row in the ledger says so: then there is nothing that a workflow has to end. */
export async function markingUnplanned<T>(
  { database }: Pick<DoorDeps, 'database'>,
  { organization, origin: { writebackId } }: Call,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || error.nonRetryable !== true) throw error
    if (await findWriteback(database, { organization, writebackId })) throw error
    const { type, message } = error
    throw ApplicationFailure.create({
      type: type ?? 'STEP_FAILED',
      message,
      nonRetryable: true,
      details: [NOTHING_PLANNED],
    })
  }
}
