/** Receipts of one run, checked offline: every signature, number and link, and that they are of that run. Pure. */
import {
  DECISION_PAYLOAD_TYPE,
  DecisionSchema,
  EnvelopeSchema,
  KeptEnvelopeSchema,
  type Decision,
} from '../schemas/decision.ts'
import {
  DECISION_PREDICATE,
  AnswerDigestSchema,
  HEAD_PAYLOAD_TYPE,
  KnownHowSchema,
  RECEIPT_PAYLOAD_TYPE,
  RESOLUTION_PREDICATE,
  SignedHeadSchema,
  StatementSchema,
  type Statement,
} from '../schemas/receipt.ts'
import { RESOLUTION_PAYLOAD_TYPE, ResolutionSchema, type Resolution } from '../schemas/resolution.ts'
import type { Envelope, ReceiptsHead } from '../schemas/run.ts'
import { sha256Hex } from './canonical-json.ts'
import { openEvidence, type TrustedKey } from './dsse.ts'

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

export interface ChainHead {
  seq: number
  sha256: string | null
}

/** What the caller knows about the run, if anything: its id, and what its result says of its receipts. */
export interface KnownRun {
  id?: string | undefined
  result?: ReceiptsHead | undefined
}

/**
 * `head` is what the database says about the chain (number and digest of its last receipt); without it a tail that was
 * cut off cannot be seen, and the caller should say so. `run.result` is what the run's result says, which somebody with
 * the database cannot change: the chain has at least that receipt at that place. More may follow, for a person may say
 * what became of a write after its run has ended. Without `run.id`, all are to be of the run that the first one names.
 */
export function verifyReceipts(
  envelopes: readonly unknown[],
  keys: readonly TrustedKey[],
  head?: ChainHead,
  run: KnownRun = {},
): Verification {
  const result: Verification = { statements: [], problems: [] }
  let runId = run.id
  let previous: string | null = null
  let digestAtRunHead: string | null = null
  for (const [index, candidate] of envelopes.entries()) {
    const position = index + 1
    const envelope = KeptEnvelopeSchema.safeParse(candidate)
    const statement = envelope.success ? openReceipt(envelope.data, keys) : null
    if (!envelope.success || statement === null) {
      const problem = envelope.success ? notSigned(envelope.data, 'receipt', keys) : NOT_SIGNED
      result.problems.push({ position, problem })
      previous = envelope.success ? receiptDigest(envelope.data) : null
    } else {
      runId ??= statement.predicate.runId
      const problem =
        runProblem(statement, runId) ??
        linkProblem(statement, position, previous) ??
        carriedProblem(statement, keys)
      if (problem) result.problems.push({ position, problem })
      result.statements.push(statement)
      previous = receiptDigest(envelope.data)
    }
    if (position === run.result?.count) digestAtRunHead = previous
  }
  result.problems.push(
    ...endProblems(envelopes.length, { head, run: run.result, last: previous, digestAtRunHead }),
  )
  return result
}

/** A file of an export, of which nothing is believed that is not signed: its head too. */
export function verifyExport(
  envelopes: readonly unknown[],
  keys: readonly TrustedKey[],
  signedHead: unknown,
  run: KnownRun = {},
): Verification {
  const position = envelopes.length
  if (signedHead === undefined || signedHead === null) return verifyReceipts(envelopes, keys, undefined, run)
  const envelope = EnvelopeSchema.safeParse(signedHead)
  const datedAt = (document: unknown) => [SignedHeadSchema.safeParse(document).data?.at]
  const expected = { payloadType: HEAD_PAYLOAD_TYPE, purpose: 'decision', datedAt } as const
  const head = SignedHeadSchema.safeParse(
    envelope.data && openEvidence(envelope.data, expected, keys)?.document,
  )
  const verification = verifyReceipts(envelopes, keys, head.data, {
    ...run,
    id: run.id ?? head.data?.runId,
  })
  if (!head.success) {
    const why = envelope.success ? notSigned(envelope.data, 'decision', keys) : NOT_SIGNED
    verification.problems.push({ position, problem: `the head ${why}` })
  } else if (run.id !== undefined && head.data.runId !== run.id) {
    verification.problems.push({
      position,
      problem: `the head is of run ${head.data.runId}, not of ${run.id}`,
    })
  }
  return verification
}

function endProblems(
  position: number,
  end: {
    head: ChainHead | undefined
    run: ReceiptsHead | undefined
    last: string | null
    digestAtRunHead: string | null
  },
): ReceiptProblem[] {
  const { head, run, last, digestAtRunHead } = end
  const problems: ReceiptProblem[] = []
  if (head && (head.seq !== position || head.sha256 !== last)) {
    problems.push({ position, problem: `the run has ${head.seq} receipts: the end is missing or differs` })
  }
  if (run && run.sha256 !== digestAtRunHead) {
    const said = `the run’s result says that receipt ${run.count} is ${run.sha256.slice(0, 12)}…`
    problems.push({ position, problem: `${said}: it is missing or differs` })
  }
  return problems
}

const NOT_SIGNED = 'is not signed by a key that we trust, or was changed'

/** Keys change: whoever checks old receipts with new keys only is told which one to look for. */
function notSigned(envelope: Envelope, purpose: TrustedKey['purpose'], keys: readonly TrustedKey[]): string {
  const named = envelope.signatures.map(({ keyid }) => keyid)
  const known = keys.find((key) => key.purpose === purpose && named.includes(key.keyId))
  if (known?.retiredAt !== undefined)
    return `${NOT_SIGNED}: key ${known.keyId} was retired at ${known.retiredAt}, and proves nothing later`
  return known ? NOT_SIGNED : `${NOT_SIGNED}: key ${named.join(', ')} is not among those given`
}

/** Null for what the worker has not signed as a receipt, or with a key that was retired before the receipt's time. */
export function openReceipt(envelope: Envelope, keys: readonly TrustedKey[]): Statement | null {
  const datedAt = (document: unknown) => [StatementSchema.safeParse(document).data?.predicate.at]
  const expected = { payloadType: RECEIPT_PAYLOAD_TYPE, purpose: 'receipt', datedAt } as const
  const opened = openEvidence(envelope, expected, keys)
  const parsed = StatementSchema.safeParse(opened?.document)
  return parsed.success ? parsed.data : null
}

/** Whoever has the database could put the whole chain of one run under the name of another. */
function runProblem({ predicate }: Statement, runId: string): string | null {
  return predicate.runId === runId ? null : `is of run ${predicate.runId}, not of ${runId}`
}

function linkProblem(statement: Statement, position: number, previous: string | null): string | null {
  if (statement.predicate.seq !== position)
    return `has number ${statement.predicate.seq}: one before it is missing, or the order was changed`
  if (statement.predicate.previous !== previous) return 'does not follow from the one before it'
  return null
}

/** What a door has signed and the receipt is about goes along in it, so that both can be checked. */
function carriedProblem(statement: Statement, keys: readonly TrustedKey[]): string | null {
  if (statement.predicateType === DECISION_PREDICATE) return decisionProblem(statement, keys)
  return statement.predicateType === RESOLUTION_PREDICATE
    ? resolutionProblem(statement, keys)
    : outcomeProblem(statement)
}

const DONE = new Set<unknown>(['applied', 'already_applied'])
const NOBODY_LOOKED = new Set<unknown>(['unknown', 'refused', 'rejected', 'expired', 'withdrawn'])

/** What was done has an answer and a way in which it is known; what is not known, or was never sent, has neither. */
function outcomeProblem({ predicate }: Statement): string | null {
  const { status, how = null, answerSha256 } = predicate
  if (NOBODY_LOOKED.has(status))
    return how === null ? null : `is ${String(status)}, and says how that is known: ${String(how)}`
  if (!DONE.has(status)) return null
  const missing = [
    ...(KnownHowSchema.safeParse(how).success ? [] : ['how it is known']),
    ...(AnswerDigestSchema.safeParse(answerSha256).success ? [] : ['the digest of the answer']),
  ]
  return missing.length === 0 ? null : `is ${String(status)}, and does not say ${missing.join(' and ')}`
}

/** A receipt of a decision carries the decision as its door signed it, and says nothing else than that one does. */
function decisionProblem(statement: Statement, keys: readonly TrustedKey[]): string | null {
  const envelope = EnvelopeSchema.safeParse(statement.predicate['decision'])
  if (!envelope.success) return 'carries no decision'
  const purpose = statement.predicate['method'] === 'asserted' ? 'receipt' : 'decision'
  // The receipt was signed by somebody else, when it was recorded: a decision cannot be dated back before that.
  const datedAt = (document: unknown) => [DecisionSchema.safeParse(document).data?.at, statement.predicate.at]
  const opened = openEvidence(envelope.data, { payloadType: DECISION_PAYLOAD_TYPE, purpose, datedAt }, keys)
  const decision = DecisionSchema.safeParse(opened?.document)
  if (!decision.success)
    return `carries a decision that no door of ours signed: it ${notSigned(envelope.data, purpose, keys)}`
  const fields = ['organization', 'writebackId', 'principal', 'verdict', 'method'] as const
  return saysTheSame(statement, decision.data, { fields, subject: decision.data.decisionId })
    ? null
    : 'says something else than the decision that it carries'
}

/** The same for a person's word on a write of unknown outcome. */
function resolutionProblem(statement: Statement, keys: readonly TrustedKey[]): string | null {
  const envelope = EnvelopeSchema.safeParse(statement.predicate['ticket'])
  if (!envelope.success) return 'carries no resolution'
  const datedAt = (document: unknown) => [
    ResolutionSchema.safeParse(document).data?.at,
    statement.predicate.at,
  ]
  const expected = { payloadType: RESOLUTION_PAYLOAD_TYPE, purpose: 'decision', datedAt } as const
  const opened = openEvidence(envelope.data, expected, keys)
  const resolution = ResolutionSchema.safeParse(opened?.document)
  if (!resolution.success)
    return `carries a resolution that no door of ours signed: it ${notSigned(envelope.data, 'decision', keys)}`
  const fields = ['organization', 'writebackId', 'principal', 'resolution', 'method'] as const
  const status = resolution.data.resolution === 'applied' ? 'applied' : 'failed'
  return statement.predicate['status'] === status &&
    saysTheSame(statement, resolution.data, { fields, subject: resolution.data.writebackId })
    ? null
    : 'says something else than the resolution that it carries'
}

/** The worker signs the receipt, the API what it carries: neither can put words into the other's mouth. */
function saysTheSame<Carried extends Decision | Resolution>(
  { subject, predicate }: Statement,
  carried: Carried,
  about: { fields: readonly (keyof Carried & string)[]; subject: string },
): boolean {
  const [named] = subject
  return (
    about.fields.every((field) => predicate[field] === carried[field]) &&
    named?.digest.sha256 === carried.digest &&
    named.name.endsWith(`/${about.subject}`)
  )
}
