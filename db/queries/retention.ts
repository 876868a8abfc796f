/** What is old enough to be deleted, and deleting it. See db/retention.ts for the rules. */
import type { RetentionPosition } from '../../schemas/upkeep.ts'
import type { Queryable } from '../database.ts'

export interface OldDelivery {
  id: string
  organization: string
  /** To the microsecond: where the next page starts. */
  received_at: string
  run_workflow_ids: string[]
  writeback_ids: string[]
  approval_workflow_ids: string[]
}

/**
 * A write that is open, or whose outcome a person has to find out, keeps its delivery. So does the delivery of the run
 * around it: reset, that run opens the same sub-run again, and finds what has come of it.
 */
const NOTHING_NEEDS_IT = `not exists (select 1 from jsonb_array_elements(d.runs) run
      join deliveries around on around.organization = d.organization
        and around.runs @> jsonb_build_array(jsonb_build_object('runId', run -> 'parent' -> 'runId'))
    where run ? 'parent')
  and not exists (select 1 from writebacks w
    where w.delivery_id = d.id and w.state in ('planned', 'sending', 'unknown'))
  and not exists (select 1 from approvals a, jsonb_array_elements(d.runs) run
    where a.organization = d.organization and a.run_id = run ->> 'runId' and a.state = 'waiting')`

/** The oldest first, with every execution that may have come of it. */
export async function listOldDeliveries(
  db: Queryable,
  params: { minAgeMs: number; after: RetentionPosition | null; limit: number },
): Promise<OldDelivery[]> {
  const { rows } = await db.query<OldDelivery>(
    `select d.id, d.organization, to_jsonb(d.received_at) #>> '{}' as received_at,
       array(select run ->> 'workflowId' from jsonb_array_elements(d.runs) run) as run_workflow_ids,
       array(select w.writeback_id from writebacks w where w.delivery_id = d.id) as writeback_ids,
       array(select a.workflow_id from approvals a, jsonb_array_elements(d.runs) run
         where a.organization = d.organization and a.run_id = run ->> 'runId') as approval_workflow_ids
     from deliveries d
     where d.state = 'started' and d.received_at < app_now() - $1::bigint * interval '1 millisecond'
       and ($2::timestamptz is null or (d.received_at, d.id) > ($2::timestamptz, $3::text))
       and ${NOTHING_NEEDS_IT}
     order by d.received_at, d.id limit $4`,
    [params.minAgeMs, params.after?.receivedAt ?? null, params.after?.id ?? null, params.limit],
  )
  return rows
}

/** With their writebacks, approvals, and decisions that nobody has recorded, in one statement. Gives how many; what was opened meanwhile stays. */
export async function deleteDeliveries(
  db: Queryable,
  params: { ids: readonly string[]; minAgeMs: number },
): Promise<number> {
  const { rowCount } = await db.query(
    `with doomed as (
       select d.id, d.organization, d.runs from deliveries d
       where d.id = any($1) and d.state = 'started'
         and d.received_at < app_now() - $2::bigint * interval '1 millisecond' and ${NOTHING_NEEDS_IT}
       for update of d),
     given_deleted as (
       delete from decisions g using doomed d, jsonb_array_elements(d.runs) run, approvals a
       where a.organization = d.organization and a.run_id = run ->> 'runId'
         and g.organization = a.organization and g.writeback_id = a.writeback_id and g.recorded_at is null),
     approvals_deleted as (
       delete from approvals a using doomed d, jsonb_array_elements(d.runs) run
       where a.organization = d.organization and a.run_id = run ->> 'runId'),
     writebacks_deleted as (
       delete from writebacks w using doomed d where w.delivery_id = d.id)
     delete from deliveries where id in (select id from doomed)`,
    [params.ids, params.minAgeMs],
  )
  return rowCount ?? 0
}
