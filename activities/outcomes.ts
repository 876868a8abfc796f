/**
 * An outcome that the ledger has is the word of a row. Before anybody is told, the receipt that was signed with it is
 * asked: it is about this write, its digest and this end, and of what the target has answered it holds a digest.
 */
import { listReceiptsAbout } from '../db/queries/receipts.ts'
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { digestOf } from '../lib/canonical-json.ts'
import type { JsonValue } from '../lib/json.ts'
import { openReceipt, receiptDigest } from '../lib/receipts.ts'
import { KeptEnvelopeSchema } from '../schemas/decision.ts'
import { CodedError } from '../schemas/errors.ts'
import { OUTCOME_PREDICATE, RESOLUTION_PREDICATE, type Statement } from '../schemas/receipt.ts'
import type { WriteOutcome } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'

/** Of the answer that is kept as the output; null where none is. */
export function answerDigest(output: JsonValue): string | null {
  return output === null ? null : digestOf(output)
}

/** Throws OUTCOME_NOT_PROVEN. */
export async function provenOutcome(
  deps: Pick<DoorDeps, 'database' | 'trust'>,
  row: WritebackRow,
  outcome: WriteOutcome,
): Promise<WriteOutcome> {
  const problem = await proofProblem(deps, row, outcome)
  if (problem === null) return outcome
  throw new CodedError('OUTCOME_NOT_PROVEN', problem)
}

/** Null if the outcome is proven. */
export async function proofProblem(
  { database, trust }: Pick<DoorDeps, 'database' | 'trust'>,
  row: WritebackRow,
  outcome: WriteOutcome,
): Promise<string | null> {
  const { organization, writeback_id: subject } = row
  const receipts = await listReceiptsAbout(database, { organization, subject })
  // A person's word on an unknown outcome comes after the receipt that says so.
  const receipt =
    receipts.find(({ kind }) => kind === 'resolution') ?? receipts.find(({ kind }) => kind === 'outcome')
  const envelope = KeptEnvelopeSchema.safeParse(receipt?.envelope)
  const statement = envelope.success ? openReceipt(envelope.data, trust.keys) : null
  const isProven =
    envelope.success &&
    statement !== null &&
    receiptDigest(envelope.data) === outcome.receipt?.sha256 &&
    saysIt(statement, row, outcome)
  if (isProven) return null
  return `${subject} is ${row.state} in the ledger, and its receipt ${receipt ? 'does not say so' : 'is not there'}`
}

function saysIt(
  { subject, predicateType, predicate }: Statement,
  row: WritebackRow,
  outcome: WriteOutcome,
): boolean {
  const { organization, writeback_id: writebackId, run_id: runId, digest } = row
  const [about] = subject
  const isResolution = predicateType === RESOLUTION_PREDICATE
  const { seq, status } = predicate
  return (
    (isResolution || predicateType === OUTCOME_PREDICATE) &&
    about?.name === `countersign:${isResolution ? 'resolution' : 'outcome'}/${organization}/${writebackId}` &&
    about.digest.sha256 === digest &&
    predicate.runId === runId &&
    predicate['writebackId'] === writebackId &&
    outcome.writebackId === writebackId &&
    status === outcome.status &&
    seq === outcome.receipt.seq &&
    predicate['answerSha256'] === answerDigest(outcome.output) &&
    // A resolution says in words of its own why it is so.
    (isResolution || (predicate['code'] === outcome.code && predicate['message'] === outcome.message))
  )
}
