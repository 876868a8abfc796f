/**
 * Rounds of one step's write. A conflict says that the target, or the connection, has changed since the write was
 * planned: then it is planned anew on what is there now, as a new write with a new id and digest, so that no vote of the last round counts.
 * What the automation itself said must be so (its guard) is looked at while planning, and ends the step if it is not.
 */
import { MAX_ROUNDS } from '../../lib/limits.ts'
import type { ReadOutcome, WriteOutcome } from '../../schemas/run.ts'
import type { SettledStep } from './state.ts'

export async function inRounds(
  first: number,
  attempt: (round: number) => Promise<ReadOutcome | WriteOutcome>,
  codeOf: (error: unknown) => string,
): Promise<ReadOutcome | WriteOutcome> {
  let outcome = await attempt(first)
  for (let round = first + 1; round < first + MAX_ROUNDS && hasConflict(outcome); round++) {
    const planned = await unlessPlanConflicts(() => attempt(round), codeOf)
    if (!planned) return outcome
    outcome = planned
  }
  return outcome
}

/** Null: the write could not be planned again, so the conflict stands. */
async function unlessPlanConflicts<Result>(
  work: () => Promise<Result>,
  codeOf: (error: unknown) => string,
): Promise<Result | null> {
  try {
    return await work()
  } catch (error) {
    if (codeOf(error) === 'WRITE_CONFLICT') return null
    throw error
  }
}

function hasConflict(outcome: ReadOutcome | WriteOutcome): boolean {
  return outcome.kind === 'write' && outcome.status === 'conflict'
}

/** What a call that is over makes of its step. */
export function settledCall(outcome: ReadOutcome | WriteOutcome): SettledStep {
  if (outcome.kind === 'read') return { status: 'completed', output: outcome.output }
  const writeback = { id: outcome.writebackId, status: outcome.status, receipt: outcome.receipt.id }
  if (outcome.status === 'applied' || outcome.status === 'already_applied') {
    return { status: 'completed', output: outcome.output, writeback }
  }
  const error = { code: outcome.code ?? 'WRITE_FAILED', message: outcome.message ?? outcome.status }
  if (outcome.mayHaveChanged)
    return { status: 'failed', output: null, error, writeback: { ...writeback, mayHaveChanged: true } }
  return { status: 'failed', output: null, error, writeback }
}
