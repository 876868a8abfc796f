/** Receipts, numbered and chained per run. Writers take the chain's row first, so numbers have no gaps. */
import type { Envelope, ReceiptRef } from '../../schemas/run.ts'
import { requireRow, type Queryable } from '../database.ts'

/** What a receipt is about: one of each kind for each subject. */
export type ReceiptKind = 'decision' | 'outcome' | 'resolution'

/** Locks the chain of the run until the transaction ends. `sha256` is that of the last receipt, null before the first. */
export async function lockChain(
  tx: Queryable,
  runId: string,
): Promise<{ seq: number; sha256: string | null }> {
  const { rows } = await tx.query<{ seq: number; sha256: string | null }>(
    `insert into receipt_chains (run_id, seq) values ($1, 0)
     on conflict (run_id) do update set seq = receipt_chains.seq returning seq, sha256`,
    [runId],
  )
  return requireRow(rows, 'receipt chain')
}

/** Only after `lockChain` in the same transaction. */
export async function appendReceipt(
  tx: Queryable,
  params: {
    organization: string
    runId: string
    subject: string
    kind: ReceiptKind
    envelope: Envelope
  } & ReceiptRef,
): Promise<void> {
  await tx.query(
    `with chain as (update receipt_chains set seq = $4, sha256 = $7 where run_id = $3)
     insert into receipts (receipt_id, organization, run_id, seq, subject, kind, sha256, envelope)
     values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)`,
    [
      params.id,
      params.organization,
      params.runId,
      params.seq,
      params.subject,
      params.kind,
      params.sha256,
      JSON.stringify(params.envelope),
    ],
  )
}

export async function findReceipt(
  db: Queryable,
  params: { subject: string; kind: ReceiptKind },
): Promise<ReceiptRef | undefined> {
  const { rows } = await db.query<ReceiptRef>(
    `select receipt_id as id, seq, sha256 from receipts where subject = $1 and kind = $2`,
    [params.subject, params.kind],
  )
  return rows[0]
}

export interface KeptReceipt {
  id: string
  seq: number
  sha256: string
  envelope: Envelope
}

export async function listReceipts(
  db: Queryable,
  params: { organization: string; runId: string },
): Promise<KeptReceipt[]> {
  return (await loadChain(db, params)).receipts
}

/** In one statement, so that a receipt which is added this moment is in both or in neither. The head is that of the run. */
export async function loadChain(
  db: Queryable,
  params: { organization: string; runId: string },
): Promise<{ receipts: KeptReceipt[]; head: { seq: number; sha256: string } | null }> {
  const { rows } = await db.query<{ receipts: KeptReceipt[]; head: { seq: number; sha256: string } | null }>(
    `select
       (select coalesce(jsonb_agg(jsonb_build_object('id', receipt_id, 'seq', seq, 'sha256', sha256, 'envelope', envelope)
          order by seq), '[]') from receipts where organization = $1 and run_id = $2) as receipts,
       (select jsonb_build_object('seq', seq, 'sha256', sha256) from receipt_chains
          where run_id = $2 and sha256 is not null) as head`,
    [params.organization, params.runId],
  )
  return rows[0] ?? { receipts: [], head: null }
}

export interface ReceiptListRow {
  id: string
  seq: number
  sha256: string
  envelope: Envelope
  run_id: string
  kind: ReceiptKind
  subject: string
  /** ISO 8601 with microseconds. */
  created_at: string
}

/** Of all runs, newest first. */
export async function searchReceipts(
  db: Queryable,
  params: {
    organization: string
    runId?: string | undefined
    kind?: ReceiptKind | undefined
    subject?: string | undefined
    since?: string | undefined
    until?: string | undefined
    limit: number
    before?: { createdAt: string; id: string } | undefined
  },
): Promise<ReceiptListRow[]> {
  const { rows } = await db.query<ReceiptListRow>(
    `select receipt_id as id, seq, sha256, envelope, run_id, kind, subject,
       to_jsonb(created_at) #>> '{}' as created_at from receipts
     where organization = $1 and ($2::text is null or run_id = $2) and ($3::text is null or kind = $3)
       and ($4::text is null or subject = $4)
       and ($5::timestamptz is null or created_at >= $5) and ($6::timestamptz is null or created_at < $6)
       and ($7::timestamptz is null or (created_at, receipt_id) < ($7::timestamptz, $8::text))
     order by created_at desc, receipt_id desc limit $9`,
    [
      params.organization,
      params.runId ?? null,
      params.kind ?? null,
      params.subject ?? null,
      params.since ?? null,
      params.until ?? null,
      params.before?.createdAt ?? null,
      params.before?.id ?? null,
      params.limit,
    ],
  )
  return rows
}

/** Whether the chain of the run has this receipt at this place. */
export async function hasReceiptAt(
  db: Queryable,
  params: { runId: string; count: number; sha256: string },
): Promise<boolean> {
  const { rowCount } = await db.query(`select from receipts where run_id = $1 and seq = $2 and sha256 = $3`, [
    params.runId,
    params.count,
    params.sha256,
  ])
  return rowCount === 1
}

export async function findReceiptEnvelope(
  db: Queryable,
  params: { organization: string; subject: string; kind: ReceiptKind },
): Promise<Envelope | undefined> {
  const { rows } = await db.query<{ envelope: Envelope }>(
    `select envelope from receipts where organization = $1 and subject = $2 and kind = $3`,
    [params.organization, params.subject, params.kind],
  )
  return rows[0]?.envelope
}

/** At most one of each kind. */
export async function listReceiptsAbout(
  db: Queryable,
  params: { organization: string; subject: string },
): Promise<{ kind: ReceiptKind; envelope: Envelope }[]> {
  const { rows } = await db.query<{ kind: ReceiptKind; envelope: Envelope }>(
    `select kind, envelope from receipts where subject = $2 and organization = $1`,
    [params.organization, params.subject],
  )
  return rows
}
