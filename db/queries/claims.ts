/** A ledger that has gone back behind a claim, put right by who knows of it. */
import type { Claim } from '../../schemas/claim.ts'
import type { Queryable } from '../database.ts'

/**
 * Puts a claim back into a ledger that has gone back behind it: over a row that waits or was claimed before, or, where
 * the row is gone, with all of it. False: the ledger knows as much, has closed it, or has another plan.
 */
export async function restoreClaim(db: Queryable, claim: Claim): Promise<boolean> {
  const { writebackId, attempt, digest, claimedAt, deadlineAt, row } = claim
  const claimed = { state: 'sending', attempt, deadline_at: deadlineAt, updated_at: claimedAt, outcome: null }
  const { rowCount } = await db.query(
    `with put_right as (
       update writebacks set state = 'sending', attempt = $2, updated_at = $4::timestamptz, deadline_at = $5::timestamptz
       where writeback_id = $1 and digest = $3
         and (state = 'planned' or (state = 'sending' and attempt < $2))
       returning writeback_id),
     put_back as (
       insert into writebacks select w.* from jsonb_populate_record(null::writebacks, $6::jsonb) w
       where $6::jsonb is not null on conflict (writeback_id) do nothing
       returning writeback_id),
     -- What has been claimed waits for nobody.
     decided as (
       update approvals set state = 'approved', closed_at = app_now() where writeback_id = $1 and state = 'waiting'
         and exists (select from put_right))
     select writeback_id from put_right union all select writeback_id from put_back`,
    [writebackId, attempt, digest, claimedAt, deadlineAt, row && JSON.stringify({ ...row, ...claimed })],
  )
  return rowCount === 1
}

/** Of a row under way, all that its plan says, as the claim of a worker has it. False: it is not under way any more. */
export async function restorePlan(
  db: Queryable,
  { writebackId, attempt, row }: { writebackId: string; attempt: number; row: Record<string, unknown> },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update writebacks w
     set organization = p.organization, run_id = p.run_id, run_workflow_id = p.run_workflow_id, automation = p.automation,
       revision = p.revision, path = p.path, connection = p.connection, operation = p.operation, executor = p.executor,
       digest = p.digest, idempotency_key = p.idempotency_key, requester = p.requester, plan = p.plan,
       preview = p.preview, signed_plan = p.signed_plan
     from jsonb_populate_record(null::writebacks, $3::jsonb) p
     where w.writeback_id = $1 and p.writeback_id = $1 and w.state = 'sending' and w.attempt = $2`,
    [writebackId, attempt, JSON.stringify(row)],
  )
  return rowCount === 1
}
