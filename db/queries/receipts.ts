/** Receipts, numbered and chained per run. Writers take the chain's row first, so numbers have no gaps. */
import type { Envelope, ReceiptRef } from '../../schemas/run.ts'
import { requireRow, type Queryable } from '../database.ts'
import { cutRows, walkPage, type CutRows, type Marked } from './cut-rows.ts'

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

/** What it takes as JSON; beside its envelope a receipt is small. */
const SIZE = `select octet_length(envelope::text) from receipts where receipt_id = listed.key`

export interface ChainPage extends CutRows<KeptReceipt> {
  /** Of the run, whatever is on the page. Null before the first receipt. */
  head: { seq: number; sha256: string } | null
}

/**
 * A page of the receipts of a run, in their order. In one statement, so that a receipt which is added this moment is seen
 * in both or in neither: the last page reaches to the head that it came with, and so do all pages together.
 */
export async function loadChainPage(
  db: Queryable,
  params: { organization: string; runId: string; limit: number; after?: number | undefined },
): Promise<ChainPage> {
  const keys = `select receipt_id as key, seq from receipts where organization = $2 and run_id = $3 and seq > $4::bigint`
  const { rows } = await db.query<Pick<ChainPage, 'rows' | 'head'> & { found: number }>(
    `${walkPage({ keys, order: 'seq', size: SIZE })}
     select found,
       (select coalesce(jsonb_agg(jsonb_build_object('id', receipt_id, 'seq', seq, 'sha256', sha256, 'envelope', envelope)
          order by place), '[]') from page join receipts on receipt_id = key) as rows,
       (select jsonb_build_object('seq', seq, 'sha256', sha256) from receipt_chains
          where run_id = $3 and sha256 is not null) as head
     from total`,
    [params.limit, params.organization, params.runId, params.after ?? 0],
  )
  const { found, head, rows: shown } = requireRow(rows, 'chain of receipts')
  return { rows: shown, isCut: found > shown.length, head }
}

/** A receipt without what it says. */
export interface ReceiptMention extends ReceiptRef {
  kind: ReceiptKind
  subject: string
}

/** The last ones of a run, in their order; what they say is not read. */
export async function listReceiptsOfRun(
  db: Queryable,
  params: { organization: string; runId: string; limit: number },
): Promise<CutRows<ReceiptMention>> {
  const { rows } = await db.query<ReceiptMention>(
    `select receipt_id as id, seq, sha256, kind, subject from receipts
     where organization = $1 and run_id = $2 order by seq desc limit $3`,
    [params.organization, params.runId, params.limit + 1],
  )
  return { rows: rows.slice(0, params.limit).reverse(), isCut: rows.length > params.limit }
}

export interface ReceiptListRow extends KeptReceipt {
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
): Promise<CutRows<ReceiptListRow>> {
  const keys = `select receipt_id as key, created_at from receipts
     where organization = $2 and ($3::text is null or run_id = $3) and ($4::text is null or kind = $4)
       and ($5::text is null or subject = $5)
       and ($6::timestamptz is null or created_at >= $6) and ($7::timestamptz is null or created_at < $7)
       and ($8::timestamptz is null or (created_at, receipt_id) < ($8::timestamptz, $9::text))`
  const { rows } = await db.query<Marked<ReceiptListRow>>(
    `${walkPage({ keys, order: 'created_at desc, key desc', size: SIZE })}
     select receipt_id as id, seq, sha256, envelope, run_id, kind, subject,
       to_jsonb(created_at) #>> '{}' as created_at, found, place, bytes
     from total, page join receipts on receipt_id = key order by place`,
    [
      params.limit,
      params.organization,
      params.runId ?? null,
      params.kind ?? null,
      params.subject ?? null,
      params.since ?? null,
      params.until ?? null,
      params.before?.createdAt ?? null,
      params.before?.id ?? null,
    ],
  )
  return cutRows(rows)
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
