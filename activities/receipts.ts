/**
 * Receipts: signed statements about decisions and outcomes, numbered and chained per run. Issuing one for the same
 * subject again gives the first one back, and says so: a retry leaves no second.
 */
import { randomUUID } from 'node:crypto'
import { appendReceipt, findReceipt, lockChain, type ReceiptKind } from '../db/queries/receipts.ts'
import type { Queryable } from '../db/database.ts'
import { signEnvelope, type SigningKey } from '../lib/dsse.ts'
import { receiptDigest } from '../lib/receipts.ts'
import {
  DECISION_PREDICATE,
  OUTCOME_PREDICATE,
  RECEIPT_PAYLOAD_TYPE,
  RESOLUTION_PREDICATE,
  STATEMENT_TYPE,
} from '../schemas/receipt.ts'
import type { ReceiptRef } from '../schemas/run.ts'

export interface ReceiptContent {
  organization: string
  runId: string
  kind: ReceiptKind
  /** Id of the decision, or of the writeback. */
  subject: string
  /** Digest of the write that it is about. */
  digest: string
  facts: Record<string, unknown>
}

/** Inside the caller's transaction: what it records and the receipt stand or fall together. */
export async function issueReceipt(
  tx: Queryable,
  content: ReceiptContent,
  key: SigningKey,
  nowMs: number,
): Promise<{ receipt: ReceiptRef; isNew: boolean }> {
  const { organization, runId, kind, subject } = content
  const chain = await lockChain(tx, runId)
  const earlier = await findReceipt(tx, { subject, kind })
  if (earlier) return { receipt: earlier, isNew: false }
  const seq = chain.seq + 1
  const statement = statementOf(content, { seq, previous: chain.sha256, at: new Date(nowMs).toISOString() })
  const envelope = signEnvelope(RECEIPT_PAYLOAD_TYPE, statement, key)
  const receipt = { id: `rcp_${randomUUID().replaceAll('-', '')}`, seq, sha256: receiptDigest(envelope) }
  await appendReceipt(tx, { organization, runId, subject, kind, envelope, ...receipt })
  return { receipt, isNew: true }
}

const PREDICATES = {
  decision: DECISION_PREDICATE,
  outcome: OUTCOME_PREDICATE,
  resolution: RESOLUTION_PREDICATE,
} as const

function statementOf(
  content: ReceiptContent,
  link: { seq: number; previous: string | null; at: string },
): object {
  const { organization, runId, kind, subject, digest, facts } = content
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: `countersign:${kind}/${organization}/${subject}`, digest: { sha256: digest } }],
    predicateType: PREDICATES[kind],
    predicate: { organization, runId, ...link, ...facts },
  }
}
