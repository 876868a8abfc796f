/** What Temporal was told of a write is asked before anything follows from its row. */
import { restoreClaim } from '../db/queries/claims.ts'
import { findWriteback, type WritebackRow } from '../db/queries/writebacks.ts'
import { CodedError } from '../schemas/errors.ts'
import { claimsAmong, saysAsMuch, type AboutClaim, type ToldClaim } from './claims.ts'
import type { DoorDeps } from './door.ts'
import { closeOverdue, closePlanned } from './ledger.ts'
import { olderThanRun } from './witnesses.ts'

/**
 * True if the ledger says less than the claim that an earlier attempt was sent with, and has it again: what follows is
 * what follows for every attempt that is gone. Or the write has ended as `unknown`. Throws OUTCOME_UNKNOWN where neither
 * can be.
 */
export async function recallClaim(
  deps: DoorDeps,
  said: readonly unknown[],
  about: AboutClaim,
  row: WritebackRow | null,
): Promise<boolean> {
  const claim = claimsAmong(deps, said, about).find((told) => !row || !saysAsMuch(deps, row, told))
  if (!claim) return false
  const { attempt, writebackId } = claim
  const facts = {
    writeback: writebackId,
    attempt,
    recorded: row ? `${row.state}, attempt ${row.attempt}` : 'nothing',
  }
  deps.warn('the ledger says less than what was sent', facts)
  if (claim.isKeyInUse ? await restoreClaim(deps.database, claim) : await endAsUnknown(deps, row, claim))
    return true
  const now = await findWriteback(deps.database, about)
  if (now && saysAsMuch(deps, now, claim)) return true
  const has = now ? `has another plan of it, ${now.state}` : 'does not know it'
  const detail = `attempt ${attempt} of ${writebackId} may have been sent, and the ledger ${has}`
  throw new CodedError('OUTCOME_UNKNOWN', detail)
}

/** Nothing but a stop follows from a claim whose key was retired. */
async function endAsUnknown(deps: DoorDeps, row: WritebackRow | null, claim: ToldClaim): Promise<boolean> {
  if (!row) return false
  const missed = `Temporal was told, with a key that was retired since, that attempt ${claim.attempt} was about to be sent`
  const close = row.state === 'sending' ? closeOverdue : closePlanned
  await close(deps, row, olderThanRun(missed, row.plan.target))
  return true
}
