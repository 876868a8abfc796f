/** Counts for `countersign doctor`, of one organization. */
import { requireRow, type Queryable } from '../database.ts'

export interface BacklogRow {
  pending: number
  /** Stored for longer than a start takes, and not started. */
  overdue: number
  oldest_overdue: string | null
  overdue_seconds: number
  /** Refused by Temporal at least once. */
  refused: number
  refused_id: string | null
  refused_error: string | null
  /** Sent, and long past the deadline; or planned long ago, with nobody asked. */
  stale: number
  stale_id: string | null
  unknown: number
  unknown_id: string | null
  waiting: number
}

export async function loadBacklog(
  db: Queryable,
  params: { organization: string; overdueMs: number; staleMs: number },
): Promise<BacklogRow> {
  const { rows } = await db.query<BacklogRow>(
    `with pending as (
       select *, received_at < app_now() - $2::bigint * interval '1 millisecond' as is_overdue
       from deliveries where organization = $1 and state = 'pending'),
     open as (
       select w.*, coalesce(w.deadline_at, w.updated_at) < app_now() - $3::bigint * interval '1 millisecond'
         and not exists (select 1 from approvals a where a.writeback_id = w.writeback_id and a.state = 'waiting') as is_stale
       from writebacks w where w.organization = $1 and w.state in ('planned', 'sending', 'unknown'))
     select
       (select count(*)::integer from pending) as pending,
       (select count(*)::integer from pending where is_overdue) as overdue,
       (select id from pending where is_overdue order by received_at limit 1) as oldest_overdue,
       (select coalesce(extract(epoch from app_now() - min(received_at)), 0)::integer from pending where is_overdue)
         as overdue_seconds,
       (select count(*)::integer from pending where attempts > 0) as refused,
       (select id from pending where attempts > 0 order by received_at limit 1) as refused_id,
       (select last_error from pending where attempts > 0 order by received_at limit 1) as refused_error,
       (select count(*)::integer from open where state <> 'unknown' and is_stale) as stale,
       (select writeback_id from open where state <> 'unknown' and is_stale order by updated_at limit 1) as stale_id,
       (select count(*)::integer from open where state = 'unknown') as unknown,
       (select writeback_id from open where state = 'unknown' order by updated_at limit 1) as unknown_id,
       (select count(*)::integer from approvals where organization = $1 and state = 'waiting') as waiting`,
    [params.organization, params.overdueMs, params.staleMs],
  )
  return requireRow(rows, 'backlog')
}
