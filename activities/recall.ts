/** What Temporal was told of a write is asked before anything follows from its row. */
import { restoreClaim, restorePlan } from '../db/queries/claims.ts'
import { findWriteback, type WritebackRow } from '../db/queries/writebacks.ts'
import { CodedError } from '../schemas/errors.ts'
import { claimsAmong, saysAsMuch, toldInWords, type AboutClaim, type ToldClaim } from './claims.ts'
import type { DoorDeps } from './door.ts'
import { closeOverdue, closePlanned } from './ledger.ts'
import { isPlanned } from './signed-rows.ts'
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
  if (row && (await putPlanBack(deps, said, row))) return true
  const claim = claimsAmong(deps, said, about).find((told) => !row || !saysAsMuch(deps, row, told))
  if (!claim) return false
  const { attempt, writebackId } = claim
  const facts = {
    writeback: writebackId,
    attempt,
    recorded: row ? `${row.state}, attempt ${row.attempt}` : 'nothing',
  }
  deps.warn('the ledger says less than what was sent', facts)
  if (
    claim.by === 'key in use'
      ? await restoreClaim(deps.database, claim)
      : await endAsUnknown(deps, row, claim)
  )
    return true
  const now = await findWriteback(deps.database, about)
  if (now && saysAsMuch(deps, now, claim)) return true
  const detail = `${writebackId} may have been sent: ${toldInWords(claim)}; the ledger ${inLedger(deps, now)}`
  throw new CodedError('OUTCOME_UNKNOWN', detail)
}

/**
 * A row under way that somebody has changed is as it was sent again, if its claim has it so and a worker has signed that
 * plan. Else nobody could sign what became of it.
 */
export async function putPlanBack(
  deps: DoorDeps,
  said: readonly unknown[],
  row: WritebackRow,
): Promise<boolean> {
  if (row.state !== 'sending' || isPlanned(deps, row)) return false
  const { organization, writeback_id: writebackId, attempt } = row
  for (const claim of claimsAmong(deps, said, { organization, writebackId })) {
    const claimed = claim.by === 'key in use' ? claim.row : null
    if (!claimed || !isPlanned(deps, { ...row, ...claimed })) continue
    deps.warn('a row under way was changed, and is put back as it was sent', {
      writeback: writebackId,
      attempt,
    })
    return restorePlan(deps.database, { writebackId, attempt, row: claimed })
  }
  return false
}

function inLedger(deps: DoorDeps, row: WritebackRow | undefined): string {
  if (!row) return 'does not know it'
  if (isPlanned(deps, row)) return `has another plan of it, ${row.state}`
  return `has it as ${row.state}, with a plan that no key in public.json has signed`
}

/**
 * Nothing but a stop follows from a claim whose key was retired, or is not known. False where not even that can be signed:
 * a key file without the key of the claim may not have that of the plan either.
 */
async function endAsUnknown(deps: DoorDeps, row: WritebackRow | null, claim: ToldClaim): Promise<boolean> {
  if (!row || !isPlanned(deps, row)) return false
  const close = row.state === 'sending' ? closeOverdue : closePlanned
  await close(deps, row, olderThanRun(toldInWords(claim), row.plan.target))
  return true
}
