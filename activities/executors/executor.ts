/**
 * What the door needs to know of a kind of target. One file per executor: it says what an operation is, plans a write,
 * sends it, and says what may be done when nobody knows whether it arrived. Policy, ledger, approval and receipts are
 * the door's and never an executor's.
 *
 * The wire rule: for a write only our own side of the wire may say "not sent", and right before bytes leave, the
 * deadline is looked at by two clocks. Both are one object, the window of the sending: who holds the socket or the pipe
 * passes it, and only a window that nobody has passed gives the proof that `not_sent` takes.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { CallFacts } from '../../lib/policy.ts'
import type { NotSent, SendWindow } from '../../lib/send-window.ts'
import type { ConnectionSpec } from '../../schemas/manifests.ts'
import type { CodedError, ErrorCode } from '../../schemas/errors.ts'
import type { Preview } from '../../schemas/run.ts'

export interface Operation<Spec extends ConnectionSpec = ConnectionSpec> {
  organization: string
  connection: string
  spec: Spec
  operation: string
  arguments: JsonObject
}

/**
 * Where one attempt goes: read once, together with what is compared of it, so that nothing else is reached however files
 * and secrets change meanwhile. Only its executor looks into it, and nobody prints it. Null: the executor reads it when it
 * goes there, and all that is compared of it is in the connection.
 */
export type Destination = object | null

interface Bound {
  /** As `resolve` gave it to this attempt. */
  destination: Destination
}

export interface Limits {
  deadlineAtMs: number
  signal: AbortSignal
}

/** What an operation is, found out without changing anything. */
export interface Resolved extends Bound {
  class: 'read' | 'write'
  /** What the connection says of it today (`writeSettings`): people approve a write to this place and in this way. */
  endpoint: JsonObject
  /** Hash of the tool's definition as it is now; null where there is none. */
  definitionSha256: string | null
}

/**
 * What a write will store, said by the target once, when it is planned; only its executor reads it. Null: the target says
 * nothing beforehand, and the arguments stand for it.
 */
export type Stored = JsonObject | null

/** A call, by what is stored of it: that is what policy judges, people see, the digest covers and the target gets. */
export interface Described {
  /** Names the thing written to, for people: no customer data beyond its key. */
  target: string
  /** For policy expressions. */
  facts: Pick<CallFacts, 'arguments' | 'target' | 'patch'>
  /** By field, for people: redacted. */
  after: JsonObject
}

export interface PlannedWrite {
  stored: Stored
  /** By field, as far as the target shows it. */
  before: JsonObject
  /** What must still be so when the write is applied; part of what people approve. */
  preconditions: JsonObject
  guard: Preview['guard']
}

export interface Sending extends Limits, Bound {
  /** To be passed directly before the bytes with which the target acts: a call, a COMMIT. */
  window: SendWindow
  /** The same on every attempt; the target may recognise a repeated write by it. */
  key: string
  writebackId: string
  digest: string
  stored: Stored
  preconditions: JsonObject
}

export type Answer =
  /** A code and a message: it was done, but its output cannot be kept, or does not fit the target's own declaration. */
  | {
      kind: 'answered'
      status: 'applied' | 'already_applied'
      output: JsonValue
      code?: ErrorCode
      message?: string
    }
  | {
      kind: 'answered'
      status: 'conflict' | 'unknown'
      code: ErrorCode
      message: string
      output: JsonValue
    }
  | {
      kind: 'answered'
      status: 'failed'
      code: ErrorCode
      message: string
      output: JsonValue
      /** The target says that it failed, not that it changed nothing. False only where the operator calls a second sending harmless. */
      mayHaveChanged: boolean
    }
  /** Nothing has left us. */
  | { kind: 'not_sent'; unsent: NotSent }
  /** It has, and nothing was done, by a word that counts: the operator's about this answer, or the target's own receipt. */
  | { kind: 'not_done'; by: 'operator' | 'receipt'; error: CodedError }
  /** It may have happened. `isAnswered`: the target is done with it, and a look may tell at once what it has done. */
  | { kind: 'lost'; error: CodedError; isAnswered: boolean }

export type Reading = Limits & Bound

/** For what is looked at the target: the key of the write, and the digest of what was sent under it. */
export type Looking = Reading & Pick<Sending, 'key' | 'digest'>

/** What a look at the target says about an attempt whose answer was lost. */
export type CheckAnswer =
  | { kind: 'applied'; output: JsonValue }
  | { kind: 'conflict'; message: string }
  /** `isFinal`: nothing of that attempt can take effect any more; else it may only be late. */
  | { kind: 'not_applied'; isFinal: boolean }
  /** The look itself tells nothing, and another one would not either. */
  | { kind: 'unclear'; message: string }

export interface Executor {
  readonly name: string
  /** What its answers rest on: `atomic` if the target keeps our key together with the change, else just its word. */
  readonly how: 'atomic' | 'answered'
  /** Throws INVALID_ARGUMENTS, TOOL_NOT_FOUND, or what keeps it from looking. */
  resolve(operation: Operation, limits: Limits): Promise<Resolved>
  /** Only for operations of class `read`. */
  read(operation: Operation, reading: Reading): Promise<JsonValue>
  /** Looks at the target as it is now. Throws WRITE_CONFLICT if the write could not be applied even today. */
  plan(operation: Operation, limits: Limits): Promise<PlannedWrite>
  /** The same whenever it is asked, and without asking the target. Throws WRITE_NOT_AUTHORISED for what no plan stores. */
  describe(operation: Operation, stored: Stored): Described
  /** Sends once. Never throws for what the target does; never runs past the deadline. */
  apply(operation: Operation, sending: Sending): Promise<Answer>
  /**
   * What may be done after an attempt whose fate is not known. `safe`: send again, the target's answer is the truth.
   * `check`: look first. `never`: nothing; a person has to say.
   */
  resend(operation: Operation): 'safe' | 'check' | 'never'
  /**
   * Looks whether the write with this key was done, changing nothing. Null where nobody has said how to look. Throws
   * what keeps it from looking now.
   */
  check(operation: Operation, looking: Looking): Promise<CheckAnswer | null>
}
