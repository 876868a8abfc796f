/** Receipts of one run, checked offline: every signature, every number, every link to the one before. Pure. */
import { DECISION_PAYLOAD_TYPE, DecisionSchema, EnvelopeSchema, type Decision } from '../schemas/decision.ts'
import {
  DECISION_PREDICATE,
  RECEIPT_PAYLOAD_TYPE,
  StatementSchema,
  type Statement,
} from '../schemas/receipt.ts'
import type { Envelope } from '../schemas/run.ts'
import { sha256Hex } from './canonical-json.ts'
import { openEnvelope, type TrustedKey } from './dsse.ts'

export interface ReceiptProblem {
  /** Position in the list, from 1. */
  position: number
  problem: string
}

export interface Verification {
  statements: Statement[]
  problems: ReceiptProblem[]
}

/** What a receipt is known by, and what the next one refers to. */
export function receiptDigest(envelope: Envelope): string {
  return sha256Hex(Buffer.from(envelope.payload, 'base64'))
}

/**
 * `head` is what the run itself says about its chain (count and last digest); without it a tail that was cut off
 * cannot be seen, and the caller should say so.
 */
export function verifyReceipts(
  envelopes: readonly unknown[],
  keys: readonly TrustedKey[],
  head?: { seq: number; sha256: string | null },
): Verification {
  const result: Verification = { statements: [], problems: [] }
  let previous: string | null = null
  for (const [index, candidate] of envelopes.entries()) {
    const position = index + 1
    const envelope = EnvelopeSchema.safeParse(candidate)
    const statement = envelope.success ? openStatement(envelope.data, keys) : null
    if (!envelope.success || statement === null) {
      result.problems.push({ position, problem: 'is not signed by a key that we trust, or was changed' })
      previous = envelope.success ? receiptDigest(envelope.data) : null
      continue
    }
    const problem = linkProblem(statement, position, previous) ?? decisionProblem(statement, keys)
    if (problem) result.problems.push({ position, problem })
    result.statements.push(statement)
    previous = receiptDigest(envelope.data)
  }
  if (head && (head.seq !== envelopes.length || head.sha256 !== previous)) {
    result.problems.push({
      position: envelopes.length,
      problem: `the run has ${head.seq} receipts: the end is missing or differs`,
    })
  }
  return result
}

function openStatement(envelope: Envelope, keys: readonly TrustedKey[]): Statement | null {
  const opened = openEnvelope(envelope, { payloadType: RECEIPT_PAYLOAD_TYPE, purpose: 'receipt' }, keys)
  const parsed = StatementSchema.safeParse(opened?.document)
  return parsed.success ? parsed.data : null
}

function linkProblem(statement: Statement, position: number, previous: string | null): string | null {
  if (statement.predicate.seq !== position)
    return `has number ${statement.predicate.seq}: one before it is missing, or the order was changed`
  if (statement.predicate.previous !== previous) return 'does not follow from the one before it'
  return null
}

/** A receipt of a decision carries the decision as its door signed it, and says nothing else than that one does. */
function decisionProblem(statement: Statement, keys: readonly TrustedKey[]): string | null {
  if (statement.predicateType !== DECISION_PREDICATE) return null
  const envelope = EnvelopeSchema.safeParse(statement.predicate['decision'])
  if (!envelope.success) return 'carries no decision'
  const purpose = statement.predicate['method'] === 'asserted' ? 'receipt' : 'decision'
  const opened = openEnvelope(envelope.data, { payloadType: DECISION_PAYLOAD_TYPE, purpose }, keys)
  const decision = DecisionSchema.safeParse(opened?.document)
  if (!decision.success) return 'carries a decision that no door of ours signed'
  return saysTheSame(statement, decision.data)
    ? null
    : 'says something else than the decision that it carries'
}

/** The worker signs the receipt, the API the decision: neither can put words into the other's mouth. */
function saysTheSame({ subject, predicate }: Statement, decision: Decision): boolean {
  const fields = ['organization', 'writebackId', 'principal', 'verdict', 'method'] as const
  const [about] = subject
  return (
    fields.every((field) => predicate[field] === decision[field]) &&
    about?.digest.sha256 === decision.digest &&
    about.name.endsWith(`/${decision.decisionId}`)
  )
}
