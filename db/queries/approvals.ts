/** The inbox, a projection of approval workflows, and the decisions that people have signed. */
import type { Envelope, Preview, Question, Requester, Requirement, Verdict, Vote } from '../../schemas/run.ts'
import { requireRow, type Queryable } from '../database.ts'
import { cutPage, cutRows, type CutRows, type Marked } from './cut-rows.ts'
import type { WritebackRow } from './writebacks.ts'

export interface ApprovalRow {
  approval_id: string
  organization: string
  writeback_id: string
  workflow_id: string
  run_id: string
  automation: string
  digest: string
  requirement: Requirement
  requester: Requester
  preview: Preview
  /** Null for an approval. */
  question: Question | null
  state: 'waiting' | 'approved' | 'rejected' | 'expired' | 'withdrawn'
  votes: Vote[]
  expires_at: Date
  created_at: Date
  closed_at: Date | null
}

export const APPROVAL_COLUMNS = `approval_id, organization, writeback_id, workflow_id, run_id, automation, digest, requirement, requester,
  preview, question, state, votes, expires_at, created_at, closed_at`

/**
 * Puts the approval into the inbox, unless its write is over; doing so twice changes nothing. Gives what was recorded of
 * decisions about the write before.
 */
export async function insertApproval(
  db: Queryable,
  row: Omit<ApprovalRow, 'state' | 'votes' | 'question' | 'created_at' | 'closed_at' | 'expires_at'> & {
    question?: Question
    expires_at: string
  },
): Promise<{ isWanted: boolean; recorded: Envelope[] }> {
  const { rows } = await db.query<{ wanted: boolean; recorded: Envelope[] }>(
    // The lock keeps the write from being closed in between, which would leave an entry that nobody withdraws.
    `with write as (select outcome is not null as is_over from writebacks where writeback_id = $3 for share),
       added as (
         insert into approvals (approval_id, organization, writeback_id, workflow_id, run_id, automation, digest,
           requirement, requester, preview, state, expires_at, question)
         select $1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, 'waiting', $11::timestamptz, $12::jsonb
         where not exists (select from write where is_over)
         on conflict (approval_id) do nothing)
     select not exists (select from write where is_over) as wanted,
       (select coalesce(jsonb_agg(envelope order by recorded_at, decision_id), '[]') from decisions
          where organization = $2 and writeback_id = $3 and recorded_at is not null) as recorded`,
    [
      row.approval_id,
      row.organization,
      row.writeback_id,
      row.workflow_id,
      row.run_id,
      row.automation,
      row.digest,
      JSON.stringify(row.requirement),
      JSON.stringify(row.requester),
      JSON.stringify(row.preview),
      row.expires_at,
      row.question === undefined ? null : JSON.stringify(row.question),
    ],
  )
  const { wanted: isWanted, recorded } = requireRow(rows, 'approval')
  return { isWanted, recorded }
}

/** Shows the votes so far, and what the approval has become. A closed one stays as it closed. */
export async function updateApproval(
  db: Queryable,
  params: { approvalId: string; state: ApprovalRow['state']; votes: ApprovalRow['votes'] },
): Promise<void> {
  await db.query(
    `update approvals set state = $2, votes = $3::jsonb, closed_at = case when $2 = 'waiting' then null else app_now() end
     where approval_id = $1 and state = 'waiting'`,
    [params.approvalId, params.state, JSON.stringify(params.votes)],
  )
}

/** Ends the wait. What has counted until then stays shown. */
export async function closeApproval(
  db: Queryable,
  params: { organization: string; approvalId: string; state: 'expired' | 'withdrawn' },
): Promise<void> {
  await db.query(
    `update approvals set state = $3, closed_at = app_now()
     where organization = $1 and approval_id = $2 and state = 'waiting'`,
    [params.organization, params.approvalId, params.state],
  )
}

/** A write that is over waits for nobody, even if its approval was ended without a chance to say so. */
export async function withdrawApprovals(db: Queryable, writebackId: string): Promise<void> {
  await db.query(
    `update approvals set state = 'withdrawn', closed_at = app_now() where writeback_id = $1 and state = 'waiting'`,
    [writebackId],
  )
}

export async function findApproval(
  db: Queryable,
  params: { organization: string; approvalId: string },
): Promise<ApprovalRow | undefined> {
  const { rows } = await db.query<ApprovalRow>(
    `select ${APPROVAL_COLUMNS} from approvals where organization = $1 and approval_id = $2`,
    [params.organization, params.approvalId],
  )
  return rows[0]
}

/** With the write that it is about, as the ledger has it: null for a question. */
export async function findApprovalAndWrite(
  db: Queryable,
  params: { organization: string; approvalId: string },
): Promise<{ approval: ApprovalRow; write: WritebackRow | null } | undefined> {
  const { rows } = await db.query<ApprovalRow & { write: WritebackRow | null }>(
    `select ${APPROVAL_COLUMNS}, (select to_jsonb(w) from writebacks w
       where w.organization = approvals.organization and w.writeback_id = approvals.writeback_id) as write
     from approvals where organization = $1 and approval_id = $2`,
    [params.organization, params.approvalId],
  )
  const [row] = rows
  if (!row) return undefined
  const { write, ...approval } = row
  return { approval, write }
}

export async function listApprovals(
  db: Queryable,
  params: {
    organization: string
    state?: ApprovalRow['state'] | undefined
    runId?: string | undefined
    automation?: string | undefined
    connection?: string | undefined
    /** ISO 8601. */
    since?: string | undefined
    until?: string | undefined
    limit: number
    after?: { createdAt: string; id: string } | undefined
  },
): Promise<CutRows<ApprovalRow>> {
  const page = `select ${APPROVAL_COLUMNS} from approvals
    where organization = $2 and ($3::text is null or state = $3) and ($4::text is null or run_id = $4)
      and ($5::timestamptz is null or (created_at, approval_id) > ($5::timestamptz, $6::text))
      and ($7::text is null or automation = $7) and ($8::text is null or preview ->> 'connection' = $8)
      and ($9::timestamptz is null or created_at >= $9) and ($10::timestamptz is null or created_at < $10)`
  const { rows } = await db.query<Marked<ApprovalRow>>(cutPage(page, 'created_at, approval_id'), [
    params.limit,
    params.organization,
    params.state ?? null,
    params.runId ?? null,
    params.after?.createdAt ?? null,
    params.after?.id ?? null,
    params.automation ?? null,
    params.connection ?? null,
    params.since ?? null,
    params.until ?? null,
  ])
  return cutRows(rows)
}

interface SignedDecisionRow {
  decisionId: string
  organization: string
  writebackId: string
  principal: string
  verdict: Verdict
  envelope: Envelope
}

const valuesOf = (row: SignedDecisionRow): unknown[] => [
  row.decisionId,
  row.organization,
  row.writebackId,
  row.principal,
  row.verdict,
  JSON.stringify(row.envelope),
]

/**
 * Keeps what a person has signed, before it is sent to anybody: nobody has judged it yet. Gives what stands under this
 * id: this one, or the one that came first.
 */
export async function keepGivenDecision(
  db: Queryable,
  row: SignedDecisionRow,
): Promise<{ verdict: Verdict; envelope: Envelope }> {
  const { rows } = await db.query<{ verdict: Verdict; envelope: Envelope }>(
    // The update writes what is there already: it makes the existing row come back, in one statement.
    `insert into decisions (decision_id, organization, writeback_id, principal, verdict, envelope, recorded_at)
     values ($1, $2, $3, $4, $5, $6::jsonb, null)
     on conflict (decision_id) do update set decision_id = decisions.decision_id returning verdict, envelope`,
    valuesOf(row),
  )
  return requireRow(rows, 'decision')
}

/**
 * Keeps a decision that counts; the same one again changes nothing. The one that is recorded stands, whatever was given
 * under its id before. False: under its id something else was decided.
 */
export async function insertDecision(db: Queryable, row: SignedDecisionRow): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into decisions (decision_id, organization, writeback_id, principal, verdict, envelope, recorded_at)
     values ($1, $2, $3, $4, $5, $6::jsonb, app_now())
     on conflict (decision_id) do update set recorded_at = coalesce(decisions.recorded_at, app_now()),
       envelope = case when decisions.recorded_at is null then excluded.envelope else decisions.envelope end
     where (decisions.organization, decisions.writeback_id, decisions.principal, decisions.verdict) =
       (excluded.organization, excluded.writeback_id, excluded.principal, excluded.verdict)`,
    valuesOf(row),
  )
  return rowCount === 1
}

/** Those that an approval has recorded, in that order. */
export async function listDecisions(
  db: Queryable,
  params: { organization: string; writebackId: string },
): Promise<Envelope[]> {
  const { rows } = await db.query<{ envelope: Envelope }>(
    `select envelope from decisions where organization = $1 and writeback_id = $2 and recorded_at is not null
     order by recorded_at, decision_id`,
    [params.organization, params.writebackId],
  )
  return rows.map((row) => row.envelope)
}

/**
 * Those that an approval has recorded, and the rejections that were given and that no approval has recorded: the last one of each person, for anybody
 * who may ask can give any number.
 */
export async function listDecisionsAndVetoes(
  db: Queryable,
  params: { organization: string; writebackId: string },
): Promise<{ recorded: Envelope[]; vetoes: Envelope[] }> {
  const { rows } = await db.query<{ envelope: Envelope; is_recorded: boolean }>(
    `select envelope, is_recorded from (
       select envelope, true as is_recorded, recorded_at as at, decision_id from decisions
         where organization = $1 and writeback_id = $2 and recorded_at is not null
       union all
       (select distinct on (principal) envelope, false, given_at, decision_id from decisions
         where organization = $1 and writeback_id = $2 and recorded_at is null and verdict = 'reject'
         order by principal, given_at desc, decision_id)) d
     order by at, decision_id`,
    [params.organization, params.writebackId],
  )
  const of = (isRecorded: boolean) =>
    rows.filter((row) => row.is_recorded === isRecorded).map(({ envelope }) => envelope)
  return { recorded: of(true), vetoes: of(false) }
}

/** Where an approval stands in `listApprovals`, to the microsecond: a Date would lose what tells neighbours apart. */
export async function findApprovalPosition(
  db: Queryable,
  params: { organization: string; approvalId: string },
): Promise<{ createdAt: string; id: string } | undefined> {
  const { rows } = await db.query<{ createdAt: string; id: string }>(
    `select to_jsonb(created_at) #>> '{}' as "createdAt", approval_id as id from approvals
     where organization = $1 and approval_id = $2`,
    [params.organization, params.approvalId],
  )
  return rows[0]
}

export async function findDecision(
  db: Queryable,
  params: { organization: string; decisionId: string },
): Promise<{ verdict: Verdict } | undefined> {
  const { rows } = await db.query<{ verdict: Verdict }>(
    `select verdict from decisions where organization = $1 and decision_id = $2`,
    [params.organization, params.decisionId],
  )
  return rows[0]
}

/** What the approval is, if this decision is recorded. One that has stopped the write at the door came after its approval. */
export async function findCountedState(
  db: Queryable,
  params: { organization: string; decisionId: string; approvalId: string },
): Promise<ApprovalRow['state'] | undefined> {
  const { rows } = await db.query<Pick<ApprovalRow, 'state'>>(
    `select case when d.verdict = 'reject' and w.state = 'rejected' then w.state else a.state end as state
     from decisions d
     join approvals a on a.organization = d.organization and a.approval_id = $3
     left join writebacks w on w.organization = d.organization and w.writeback_id = d.writeback_id
     where d.organization = $1 and d.decision_id = $2 and d.recorded_at is not null`,
    [params.organization, params.decisionId, params.approvalId],
  )
  return rows[0]?.state
}
