/**
 * What travels between the API, the workflows and the activities, as types. Workflow code imports them with
 * `import type`; nothing here exists at run time. Where a value is trusted, the activity says how it verified it.
 */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import type { ErrorCode } from './errors.ts'
import type { Plan } from './planned.ts'

export type { Plan, PlanStep } from './planned.ts'

export type PrincipalKind = 'person' | 'service' | 'agent'

/** Who asked for a run, and on whose behalf, nearest first. */
export interface Requester {
  principal: string
  kind: PrincipalKind
  onBehalfOf: string[]
}

export interface RunInput {
  organization: string
  runId: string
  deliveryId: string
  plan: Plan
  input: JsonValue
  /** Whether the namespace has our search attributes; starting with an unregistered one would fail. */
  searchAttributes: boolean
  /** The step of another run that has started this one, for people: nothing rests on it. */
  parent?: { runId: string; path: string }
}

/** What the code of a step said with `console`. */
export interface LogLine {
  level: 'debug' | 'log' | 'info' | 'warn' | 'error'
  text: string
}

/** For one call of the code of a step. */
export interface CodeInput {
  /** What the code is given as `ctx`. */
  context: JsonObject
  timeoutMs: number
  /** Chance in the sandbox comes from this. */
  seed: string
}

export interface CodeOutput {
  output: JsonValue
  logs: LogLine[]
}

/** Where a call comes from. The door believes none of it: it looks the delivery and the revision up. */
export interface Origin {
  deliveryId: string
  runId: string
  automation: string
  revision: number
  path: string
  writebackId: string
}

export interface Call {
  organization: string
  connection: string
  operation: string
  arguments: JsonObject
  raisedToWrite: boolean
  /** For the whole step, all attempts together; waiting for people does not count. */
  timeoutMs: number
  origin: Origin
}

/** Why a write need not be made any more, by the word of the workflow that asked for it. */
export interface NotWanted {
  because: 'expired' | 'withdrawn'
  /** The code of its failure. Without one, it was cancelled. */
  failedWith?: string | undefined
}

/** In which way the door is asked. */
export interface Asks {
  /** Nothing is begun, and what was sent gets its outcome. */
  toEnd?: NotWanted
  /** By an execution that came out of a Reset: there are earlier ones, and they may know more than the ledger. */
  afterReset?: true
}

export interface Stage {
  roles: string[]
  people: string[]
  quorum: number
}

/** What a policy rule asks for before a write may be applied. */
export interface Requirement {
  policy: string
  rule: string
  stages: Stage[]
  anyRejectEnds: boolean
  selfApproval: boolean
  identity: 'any' | 'verified'
  expiresAfterMs: number
  validForMs: number
}

export interface FieldChange {
  field: string
  before: JsonValue
  after: JsonValue
}

/** What a write will do, as people see it: redacted, bounded. */
export interface Preview {
  executor: string
  connection: string
  operation: string
  target: string
  changes: FieldChange[]
  /** How the target is kept from changing between looking and writing. */
  guard: 'atomic' | 'checked' | 'none'
}

/** What a run itself says about the chain of its receipts, so that a tail that is cut off shows. */
export interface ReceiptsHead {
  count: number
  /** Of the last receipt. */
  sha256: string
}

export interface ReceiptRef {
  id: string
  seq: number
  sha256: string
}

export type WriteStatus =
  | 'applied'
  | 'already_applied'
  | 'conflict'
  | 'failed'
  | 'unknown'
  | 'refused'
  | 'rejected'
  | 'expired'
  | 'withdrawn'

export interface WriteOutcome {
  kind: 'write'
  status: WriteStatus
  writebackId: string
  output: JsonValue
  code?: ErrorCode
  message?: string
  /** It has failed, and yet something may have been done: no automation tries it again. */
  mayHaveChanged?: true
  receipt: ReceiptRef
}

export interface ReadOutcome {
  kind: 'read'
  output: JsonValue
}

/** Of an automation, to people. */
export interface Question {
  title: string
  markdown: string
  /** JSON Schema of the answer. */
  form: JsonObject
}

/** A question on its way: where it comes from, with its id as `writebackId`, and what the run has made of its texts. */
export interface Asking {
  organization: string
  origin: Origin
  title: string
  markdown: string
}

/** A write that waits, as the ledger has it, or a question: what people see and sign. */
export interface PendingWrite {
  writebackId: string
  digest: string
  requirement: Requirement
  requester: Requester
  preview: Preview
  question?: Question
}

/** What a workflow is told of a write that waits: enough to ask for it, and nothing that could be believed instead. */
export interface AskedWrite {
  digest: string
  /** `policy/rule`, for people. */
  rule: string
  /** `1 of role finance`, for people; not there in what older versions have recorded. */
  whom?: string
  expiresAfterMs: number
}

export type PerformResult =
  | { kind: 'done'; outcome: ReadOutcome | WriteOutcome }
  /** `kept`: decisions that count already, when a policy asks for more than people were asked for before. */
  | { kind: 'needs_approval'; asked: AskedWrite; kept: DecisionMessage[] }

export interface WritebackInput {
  call: Call
  /** What the door has already said, when the run asked it first. */
  asked?: Extract<PerformResult, { kind: 'needs_approval' }>
  searchAttributes: boolean
}

export interface ApprovalInput {
  organization: string
  approvalId: string
  writebackId: string
  asked: AskedWrite
  /** Decisions of the earlier ask that still count. */
  kept: DecisionMessage[]
  /** It is no write that waits, but a question. */
  asking?: Asking
}

export type Verdict = 'approve' | 'reject'

/** A DSSE envelope: `payload` is base64, `sig` base64 over the pre-authentication encoding. */
export interface Envelope {
  payloadType: string
  payload: string
  signatures: { keyid: string; sig: string }[]
}

/** What a raw signal or an update carries: a signed ticket, or, where the deployment allows it, somebody's word. */
export interface DecisionMessage {
  verdict: Verdict
  ticket?: Envelope
  asserted?: { by: string; digest?: string; comment?: string }
}

/** A decision whose signature and principal an activity has verified. */
export interface Vote {
  decisionId: string
  digest: string
  verdict: Verdict
  principal: string
  kind: PrincipalKind
  /** As they are now, not as the ticket says. */
  roles: string[]
  method: string
  channel: string
  at: string
  comment: string
  answer?: JsonValue
}

export type ResolvedDecision =
  { kind: 'vote'; vote: Vote; envelope: Envelope } | { kind: 'refused'; code: ErrorCode; message: string }

/** What follows from a decision that was kept: those that count by the roles of that moment, and what they make of it. */
export interface Recorded {
  votes: Vote[]
  state: 'waiting' | 'approved' | 'rejected'
}

export interface ApprovalResult {
  state: 'approved' | 'rejected' | 'expired' | 'withdrawn'
  decisions: Envelope[]
  reason: string
}

/** The answer to whoever decided. */
export interface DecisionAnswer {
  accepted: boolean
  state: 'waiting' | 'approved' | 'rejected' | 'expired' | 'withdrawn'
  code?: ErrorCode
  message: string
}

/** What came of a person's word on a write of unknown outcome. `outcome`: what the ledger says, once it is known. */
export interface ResolutionAnswer {
  accepted: boolean
  outcome: WriteOutcome | null
  code?: ErrorCode
  message: string
}

export interface ResolutionInput {
  organization: string
  writebackId: string
  ticket: Envelope
}
