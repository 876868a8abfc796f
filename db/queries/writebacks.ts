/**
 * The ledger: one row for each write to the outside. Only the door writes it. Every change of state names the state it
 * comes from in its `where`, so of two attempts at most one wins, and the other sees that no row changed.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { WriteFacts } from '../../lib/write-digest.ts'
import type {
  Envelope,
  Origin,
  Preview,
  Requester,
  Requirement,
  WriteOutcome,
  WriteStatus,
} from '../../schemas/run.ts'
import type { Queryable } from '../database.ts'
import { cutPage, cutRows, type CutRows, type Marked } from './cut-rows.ts'

/** What an executor needs at apply time and computed at plan time. */
export interface StoredPlan {
  endpoint: JsonValue
  target: string
  arguments: JsonValue
  /** What the target stores for them, as it has said; null where it says nothing beforehand. */
  stored: JsonObject | null
  preconditions: JsonValue
  definitionSha256: string | null
}

export interface WritebackRow {
  writeback_id: string
  organization: string
  run_id: string
  run_workflow_id: string
  delivery_id: string
  automation: string
  revision: number
  path: string
  connection: string
  operation: string
  executor: string
  digest: string
  idempotency_key: string
  requester: Requester
  plan: StoredPlan
  requirement: Requirement | null
  preview: Preview
  state: 'planned' | 'sending' | WriteStatus
  attempt: number
  /** ISO 8601. */
  deadline_at: string | null
  outcome: WriteOutcome | null
  /** Of the worker that has planned it. */
  signed_plan: Envelope | null
  /** Of the worker that has given up a claim, the last of them: what it has claimed was not sent. */
  signed_release: Envelope | null
  created_at: string
  /** While `sending`: when this attempt was claimed. */
  updated_at: string
}

/** What the digest of a row is computed from; a row that was changed by somebody does not fit its digest any more. */
export function writeFactsOf(row: WritebackRow): WriteFacts {
  const {
    writeback_id: writebackId,
    organization,
    executor,
    connection,
    operation,
    automation,
    revision,
  } = row
  const { preview, requester } = row
  return {
    writebackId,
    organization,
    executor,
    connection,
    operation,
    automation,
    revision,
    preview,
    requester,
    ...row.plan,
  }
}

export interface NewWriteback {
  organization: string
  origin: Origin
  runWorkflowId: string
  connection: string
  operation: string
  executor: string
  digest: string
  idempotencyKey: string
  requester: Requester
  plan: StoredPlan
  requirement: Requirement | null
  preview: Preview
  signedPlan: Envelope | null
}

/** Plans the write. Planning it twice leaves the first plan standing: people may have seen it already. */
export async function insertPlannedWriteback(db: Queryable, row: NewWriteback): Promise<void> {
  const { origin } = row
  await db.query(
    `insert into writebacks (writeback_id, organization, run_id, run_workflow_id, delivery_id, automation, revision, path,
       connection, operation, executor, digest, idempotency_key, requester, plan, requirement, preview, signed_plan, state)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::jsonb, $15::jsonb, $16::jsonb, $17::jsonb,
       $18::jsonb, 'planned')
     on conflict (writeback_id) do nothing`,
    [
      origin.writebackId,
      row.organization,
      origin.runId,
      row.runWorkflowId,
      origin.deliveryId,
      origin.automation,
      origin.revision,
      origin.path,
      row.connection,
      row.operation,
      row.executor,
      row.digest,
      row.idempotencyKey,
      JSON.stringify(row.requester),
      JSON.stringify(row.plan),
      row.requirement && JSON.stringify(row.requirement),
      JSON.stringify(row.preview),
      row.signedPlan && JSON.stringify(row.signedPlan),
    ],
  )
}

/** Keeps what people are now asked for, when a policy asks for something else than before. */
export async function updateRequirement(
  db: Queryable,
  params: { writebackId: string; requirement: Requirement },
): Promise<void> {
  await db.query(
    `update writebacks set requirement = $2::jsonb, updated_at = app_now()
     where writeback_id = $1 and state = 'planned'`,
    [params.writebackId, JSON.stringify(params.requirement)],
  )
}

/** The revisions that a write was judged by: the number of its connection's, 0 where there is none, and each policy's by name. */
export interface JudgedBy {
  connection: number
  policies: Record<string, number>
}

type Claimed = { attempt: number; deadline_at: Date; updated_at: Date }

/**
 * Claims the right to send. Null: another attempt has it, the connection is frozen, it or a policy is not the one that the
 * write was judged by, or a receipt says that it has ended. `seenAttempt` was read; past its deadline it may be taken over.
 *
 * The connection's row is locked until the claim is through: a freeze, or a save of it, waits for claims that came before,
 * and a claim that has waited looks at what is there then, at policies too. So what is not claimed when a freeze returns is
 * not sent. `claim_sending`: db/migrations/0022_claims.sql.
 */
export async function claimSending(
  db: Queryable,
  params: { writebackId: string; seenAttempt: number; timeoutMs: number; judgedBy: JudgedBy },
): Promise<Claimed | null> {
  const { connection, policies } = params.judgedBy
  const { rows } = await db.query<Claimed>(
    'select attempt, deadline_at, updated_at from claim_sending($1, $2, $3, $4, $5::jsonb)',
    [params.writebackId, params.seenAttempt, params.timeoutMs, connection, JSON.stringify(policies)],
  )
  return rows[0] ?? null
}

/**
 * Only for an attempt that surely did not reach the target, which a worker has signed. Who is not that attempt says since
 * when it is `overdue`, as he has read and signed it; then that must not lie ahead, where later claims would be released
 * with it, and its deadline has to have passed. False: it is not so, or it is another attempt's by now.
 */
export async function releaseSending(
  db: Queryable,
  params: { writebackId: string; attempt: number; signed: Envelope; overdue?: { claimedAt: string } },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update writebacks set state = 'planned', deadline_at = null, updated_at = app_now(), signed_release = $4::jsonb
     where writeback_id = $1 and state = 'sending' and attempt = $2
       and ($3::timestamptz is null or (deadline_at < app_now() and updated_at = $3 and updated_at <= app_now()))`,
    [params.writebackId, params.attempt, params.overdue?.claimedAt ?? null, JSON.stringify(params.signed)],
  )
  return rowCount === 1
}

/**
 * The state that a row is closed from: where a person says what became of an `unknown` write, it is closed again.
 * `isOverdue`: not by the attempt itself, so that its deadline has to have passed.
 */
export type ClosedFrom =
  { from: 'planned' | 'unknown' } | { from: 'sending'; attempt: number; isOverdue?: boolean }

/** Closes the row with its outcome. False: it was not in the state expected, and nothing was written. */
export async function closeWriteback(
  tx: Queryable,
  params: { outcome: WriteOutcome } & ClosedFrom,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update writebacks set state = $2, outcome = $3::jsonb, deadline_at = null, updated_at = app_now()
     where writeback_id = $1 and state = $4 and ($5::integer is null or attempt = $5)
       and (not $6::boolean or deadline_at < app_now())`,
    [
      params.outcome.writebackId,
      params.outcome.status,
      JSON.stringify(params.outcome),
      params.from,
      params.from === 'sending' ? params.attempt : null,
      params.from === 'sending' && (params.isOverdue ?? false),
    ],
  )
  return rowCount === 1
}

export async function findWriteback(
  db: Queryable,
  params: { organization: string; writebackId: string },
): Promise<WritebackRow | undefined> {
  const { rows } = await db.query<{ row: WritebackRow }>(
    `select to_jsonb(w) as row from writebacks w where organization = $1 and writeback_id = $2`,
    [params.organization, params.writebackId],
  )
  return rows[0]?.row
}

export async function listWritebacks(
  db: Queryable,
  params: {
    organization: string
    runId?: string | undefined
    state?: WritebackRow['state'] | undefined
    automation?: string | undefined
    connection?: string | undefined
    /** ISO 8601. */
    since?: string | undefined
    until?: string | undefined
    limit: number
    before?: { createdAt: string; id: string } | undefined
  },
): Promise<CutRows<WritebackRow>> {
  const page = `select to_jsonb(w) as row, created_at, writeback_id from writebacks w
    where organization = $2 and ($3::text is null or run_id = $3)
      and ($4::timestamptz is null or (created_at, writeback_id) < ($4::timestamptz, $5::text))
      and ($6::text is null or state = $6) and ($7::text is null or automation = $7)
      and ($8::text is null or connection = $8)
      and ($9::timestamptz is null or created_at >= $9) and ($10::timestamptz is null or created_at < $10)`
  const { rows } = await db.query<Marked<{ row: WritebackRow }>>(
    cutPage(page, 'created_at desc, writeback_id desc'),
    [
      params.limit,
      params.organization,
      params.runId ?? null,
      params.before?.createdAt ?? null,
      params.before?.id ?? null,
      params.state ?? null,
      params.automation ?? null,
      params.connection ?? null,
      params.since ?? null,
      params.until ?? null,
    ],
  )
  const { rows: shown, isCut } = cutRows(rows)
  return { rows: shown.map(({ row }) => row), isCut }
}
