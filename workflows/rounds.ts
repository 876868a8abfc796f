/**
 * Rounds of one step's write. A conflict says that the target has changed since the write was planned: then it is
 * planned anew on what is there now, as a new write with a new id and digest, so that no vote of the last round counts.
 * What the automation itself said must be so (its guard) is looked at while planning, and ends the step if it is not.
 */
import type { ReadOutcome, WriteOutcome } from '../schemas/run.ts'
import { stepErrorOf } from './failures.ts'

/** At a time: a step that is tried again after them has as many more. People who are asked three times about a target that never stands still should be told so. */
const MAX_ROUNDS = 3

export async function inRounds(
  first: number,
  attempt: (round: number) => Promise<ReadOutcome | WriteOutcome>,
): Promise<ReadOutcome | WriteOutcome> {
  let outcome = await attempt(first)
  for (let round = first + 1; round < first + MAX_ROUNDS && hasConflict(outcome); round++) {
    const planned = await unlessPlanConflicts(() => attempt(round))
    if (!planned) return outcome
    outcome = planned
  }
  return outcome
}

/** Null: the write could not be planned again, so the conflict stands. */
async function unlessPlanConflicts<Result>(work: () => Promise<Result>): Promise<Result | null> {
  try {
    return await work()
  } catch (error) {
    if (stepErrorOf(error).code === 'WRITE_CONFLICT') return null
    throw error
  }
}

function hasConflict(outcome: ReadOutcome | WriteOutcome): boolean {
  return outcome.kind === 'write' && outcome.status === 'conflict'
}
