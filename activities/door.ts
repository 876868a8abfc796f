/** What everything behind the door shares: what it needs, one call on its way, and the digest of a write. */
import type { Database } from '../db/database.ts'
import type { JudgedBy } from '../db/queries/writebacks.ts'
import type { SigningKey } from '../lib/dsse.ts'
import type { JsonValue } from '../lib/json.ts'
import { writeDigest } from '../lib/write-digest.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Call, Envelope, NotWanted, Preview } from '../schemas/run.ts'
import type { Trust } from './decisions.ts'
import type { Described, Executor, Operation, Resolved, Stored } from './executors/executor.ts'
import type { VerifiedOrigin } from './origin.ts'
import type { Ruling } from '../lib/policy.ts'
import type { Earlier } from './witnesses.ts'

export interface DoorDeps {
  database: Database
  executors: { mcp: Executor; postgres: Executor }
  trust: Trust
  signingKey: SigningKey
  nowMs: () => number
  /** For operators; without values of anybody's data. */
  warn: (message: string, facts: Record<string, unknown>) => void
}

/** What remembers the claim of an attempt, should the ledger forget it. */
interface Witness {
  /** What the attempts before this one have told it, claims among it. */
  said: readonly unknown[]
  /** Resolves when it is kept. Throws if it is not, or if the attempt is not ours any more. */
  tell(claim: Envelope): Promise<void>
  /** For the next attempt: what came instead of an answer. */
  tellLost(lost: Envelope): Promise<void>
  /** Asks what earlier executions have told of the write. Null: there are none, or they have told nothing. */
  askEarlier: AskEarlier | null
  /** Whether somebody has asked that the caller, or this run, end: its workflow may not have heard of it yet. */
  isCancelAsked(runWorkflowId: string): Promise<boolean>
}

export type AskEarlier = (runWorkflowId?: string) => Promise<Earlier>

/** Of the step that a call belongs to, all its attempts together. */
export interface StepLimits {
  /** The id of the workflow that calls, as Temporal says it. */
  caller: string
  signal: AbortSignal
  /** From here on nothing is tried again: what is not known by then is not known. */
  giveUpAtMs: number
  /** The write is no longer wanted: what was sent gets its outcome, and nothing is begun. */
  toEnd: NotWanted | null
  witness: Witness
}

/** One call at the door, with everything that was looked up for it. */
export interface Arrival extends StepLimits {
  call: Call
  operation: Operation
  executor: Executor
  resolved: Resolved
  origin: VerifiedOrigin
  judgedBy: JudgedBy
  /** By what is stored of it, and today's policies. */
  judge: (stored: Stored) => Judged
  /** For one call of the target. */
  timeoutMs: number
  /** How long the deadline of the attempt that was sending had passed when the row was read, by the ledger's clock. */
  overdueMs: number
  /** Why no write may be sent now; null if one may. */
  frozenReason: string | null
}

export interface Judged {
  described: Described
  ruling: Ruling
}

/** A write on its way through the door. */
export interface Passage extends Arrival, Judged {}

export function digestOfWrite(
  passage: Pick<Passage, 'call' | 'executor' | 'origin' | 'described'> & {
    resolved: Omit<Resolved, 'endpoint'> & { endpoint: JsonValue }
  },
  planned: { stored: JsonValue; preconditions: JsonValue; preview: Preview },
): string {
  const { call, executor, resolved, origin, described } = passage
  const { writebackId, automation, revision } = call.origin
  // Name by name: what is stored of a plan has fields that are called like those of the call, and must not replace them.
  return writeDigest({
    organization: call.organization,
    writebackId,
    executor: executor.name,
    endpoint: resolved.endpoint,
    target: described.target,
    connection: call.connection,
    operation: call.operation,
    arguments: call.arguments,
    stored: planned.stored,
    preconditions: planned.preconditions,
    preview: planned.preview,
    definitionSha256: resolved.definitionSha256,
    automation,
    revision,
    requester: origin.requester,
  })
}

/** A worker that Temporal has given up hears of it at last: others may have gone on without this attempt. */
export function assertStillOurs({ call, signal }: Pick<Arrival, 'call' | 'signal'>): void {
  if (!signal.aborted) return
  throw new CodedError('CANCELLED', `${call.origin.writebackId}: the attempt was ended before it has sent`)
}
