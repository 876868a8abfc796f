/** What the reconciler looks at: rows of the ledger and of the inbox that are open, or that an execution takes for open. */
import type { Envelope, Verdict } from '../../schemas/run.ts'
import type { Queryable } from '../database.ts'
import type { ApprovalRow } from './approvals.ts'

export interface OpenWriteback {
  organization: string
  writebackId: string
}

/**
 * Ids of open rows that nobody should be about to change: planned and left alone for `minAgeMs`, or sent, and past the
 * deadline for `minAgeMs`.
 */
export async function listOpenWritebacks(
  db: Queryable,
  params: { after: string; minAgeMs: number; limit: number },
): Promise<OpenWriteback[]> {
  const { rows } = await db.query<OpenWriteback>(
    `select organization, writeback_id as "writebackId" from writebacks
     where writeback_id > $1 and state in ('planned', 'sending')
       and coalesce(deadline_at, updated_at) < app_now() - $2::bigint * interval '1 millisecond'
     order by writeback_id limit $3`,
    [params.after, params.minAgeMs, params.limit],
  )
  return rows
}

export type WaitingApproval = Pick<ApprovalRow, 'approval_id' | 'workflow_id' | 'votes'> & {
  is_expired: boolean
}

export async function listWaitingApprovals(
  db: Queryable,
  params: { after: string; minAgeMs: number; limit: number },
): Promise<WaitingApproval[]> {
  const { rows } = await db.query<WaitingApproval>(
    `select approval_id, workflow_id, votes, expires_at < app_now() as is_expired from approvals
     where approval_id > $1 and state = 'waiting' and created_at < app_now() - $2::bigint * interval '1 millisecond'
     order by approval_id limit $3`,
    [params.after, params.minAgeMs, params.limit],
  )
  return rows
}

export type CountedDecisions = Pick<ApprovalRow, 'workflow_id' | 'state'> & {
  decisions: { decisionId: string; verdict: Verdict; ticket: Envelope }[]
}

/**
 * What has counted of these approvals, as it was signed, in the order in which it was recorded. Nothing of one that is
 * `expired` or `withdrawn`. Both ids, for those of workflows are anybody's choice.
 */
export async function listCountedDecisions(
  db: Queryable,
  params: { workflowIds: string[]; approvalIds: string[]; recordedBefore: string },
): Promise<CountedDecisions[]> {
  const { rows } = await db.query<CountedDecisions>(
    `select a.workflow_id, a.state, jsonb_agg(jsonb_build_object('decisionId', d.decision_id, 'verdict', d.verdict,
       'ticket', d.envelope) order by d.recorded_at, d.decision_id) as decisions
     from approvals a cross join lateral jsonb_array_elements(a.votes) vote
     join decisions d on d.decision_id = vote ->> 'decisionId' and d.organization = a.organization
     where a.approval_id = any($1) and a.workflow_id = any($2) and a.state in ('waiting', 'approved', 'rejected')
       and d.recorded_at < $3::timestamptz
     group by a.approval_id`,
    [params.approvalIds, params.workflowIds, params.recordedBefore],
  )
  return rows
}

/** Workflow ids of runs that were started lately: if Temporal knows none of them, it is not the one we think. */
export async function listRecentRunWorkflows(
  db: Queryable,
  params: { maxAgeMs: number; limit: number },
): Promise<string[]> {
  const { rows } = await db.query<{ workflow_id: string }>(
    `select run ->> 'workflowId' as workflow_id from (
       select runs, received_at from deliveries
       where state = 'started' and received_at > app_now() - $1::bigint * interval '1 millisecond'
         and jsonb_array_length(runs) > 0
       order by received_at desc, id desc limit $2) d, jsonb_array_elements(d.runs) run
     order by d.received_at desc limit $2`,
    [params.maxAgeMs, params.limit],
  )
  return rows.map((row) => row.workflow_id)
}

/** Executions of what waits, and of the runs that came last, however long ago; the newest first. */
export async function listLatestExecutions(
  db: Queryable,
  params: { limitOfEach: number },
): Promise<string[]> {
  const { rows } = await db.query<{ workflow_id: string }>(
    `select workflow_id from (
       (select run ->> 'workflowId' as workflow_id, received_at as at from deliveries, jsonb_array_elements(runs) run
        where state = 'started' order by received_at desc, id desc limit $1)
       union all
       (select run_workflow_id, created_at from writebacks where state in ('planned', 'sending')
        order by created_at desc limit $1)
       union all
       (select workflow_id, created_at from approvals where state = 'waiting' order by created_at desc limit $1)
     ) executions group by workflow_id order by max(at) desc`,
    [params.limitOfEach],
  )
  return rows.map((row) => row.workflow_id)
}

/** PostgreSQL's clock, in milliseconds since 1970. */
export async function loadDatabaseClock(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ now_ms: string }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms`,
  )
  return Number(rows[0]?.now_ms)
}
