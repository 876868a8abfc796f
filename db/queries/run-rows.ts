/** What belongs to one run, for looking at it: as much as is shown, and of what matters now, all of it. */
import type { Queryable } from '../database.ts'
import { APPROVAL_COLUMNS, type ApprovalRow } from './approvals.ts'
import { cutPage, type CutRows } from './cut-rows.ts'
import type { WritebackRow } from './writebacks.ts'

/** Those of a run by age; if there are more than `limit`, first of all those that wait. */
export async function listApprovalsOfRun(
  db: Queryable,
  params: { organization: string; runId: string; limit: number },
): Promise<CutRows<ApprovalRow>> {
  const page = `select ${APPROVAL_COLUMNS}, (count(*) over ())::integer as total from approvals
    where organization = $2 and run_id = $3`
  const shown = cutPage(page, `(state = 'waiting') desc, created_at, approval_id`)
  const { rows } = await db.query<ApprovalRow & { total: number }>(
    `select ${APPROVAL_COLUMNS}, total from (${shown}) shown order by created_at, approval_id`,
    [params.limit, params.organization, params.runId],
  )
  return { rows, isCut: (rows[0]?.total ?? 0) > rows.length }
}

/** What the steps of a run show of a write. */
export interface WriteOfStep extends Pick<WritebackRow, 'writeback_id' | 'path' | 'state'> {
  waits_for_people: boolean
}

/** Every write of a run, oldest first. */
export async function listWritesOfSteps(
  db: Queryable,
  params: { organization: string; runId: string },
): Promise<WriteOfStep[]> {
  const { rows } = await db.query<WriteOfStep>(
    `select writeback_id, path, state, writeback_id in (
         select writeback_id from approvals where organization = $1 and run_id = $2 and state = 'waiting') as waits_for_people
     from writebacks where organization = $1 and run_id = $2 order by created_at, writeback_id`,
    [params.organization, params.runId],
  )
  return rows
}

/** Those of a run, newest first; if there are more than `limit`, first of all those that are not over. */
export async function listWritebacksOfRun(
  db: Queryable,
  params: { organization: string; runId: string; limit: number },
): Promise<WritebackRow[]> {
  const page = `select to_jsonb(w) as row, state, created_at, writeback_id from writebacks w
    where organization = $2 and run_id = $3`
  const shown = cutPage(
    page,
    `(state in ('planned', 'sending', 'unknown')) desc, created_at desc, writeback_id desc`,
  )
  const { rows } = await db.query<{ row: WritebackRow }>(
    `select row from (${shown}) shown order by created_at desc, writeback_id desc`,
    [params.limit, params.organization, params.runId],
  )
  return rows.map(({ row }) => row)
}
