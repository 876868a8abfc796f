/** Whether our rows of a run have changed, without reading them. */
import { requireRow, type Queryable } from '../database.ts'

/** A text that is another one after each change that people can see. */
export async function runStamp(
  db: Queryable,
  params: { organization: string; runId: string },
): Promise<string> {
  const { rows } = await db.query<{ stamp: string }>(
    `select concat_ws('|',
       (select concat(count(*), max(updated_at)) from writebacks where organization = $1 and run_id = $2),
       (select concat(count(*), count(closed_at), sum(jsonb_array_length(votes))) from approvals
          where organization = $1 and run_id = $2),
       (select seq from receipt_chains where run_id = $2)) as stamp`,
    [params.organization, params.runId],
  )
  return requireRow(rows, 'run stamp').stamp
}
