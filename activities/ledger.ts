/**
 * Rows of the ledger, opened and closed. Closing writes the outcome and its receipt in one transaction: there is no
 * outcome without a receipt, and no receipt of something that is not in the ledger.
 */
import { inTransaction } from '../db/database.ts'
import { withdrawApprovals } from '../db/queries/approvals.ts'
import { restoreClaim } from '../db/queries/claims.ts'
import {
  closeWriteback,
  findWriteback,
  insertPlannedWriteback,
  type ClosedFrom,
  type WritebackRow,
} from '../db/queries/writebacks.ts'
import { findReceipt } from '../db/queries/receipts.ts'
import type { JsonValue } from '../lib/json.ts'
import { sha256Hex } from '../lib/canonical-json.ts'
import { CodedError, type ErrorCode } from '../schemas/errors.ts'
import { writebackIdOf } from '../schemas/names.ts'
import type { How } from '../schemas/receipt.ts'
import type { WriteOutcome, WriteStatus } from '../schemas/run.ts'
import { claimOf } from './claims.ts'
import { assertStillOurs, digestOfWrite, type Arrival, type DoorDeps } from './door.ts'
import { answerDigest, provenOutcome } from './outcomes.ts'
import { previewOf } from './reading.ts'
import { issueReceipt, type ReceiptContent } from './receipts.ts'
import { assertPlanned, signPlan } from './signed-rows.ts'

/**
 * Looks at the target and keeps what is planned. If somebody planned it first, theirs stands. Policy judges what the
 * target says that it stores, so that nobody can be asked before.
 */
export async function planWriteback(deps: DoorDeps, arrival: Arrival): Promise<WritebackRow> {
  const { call, operation, executor, resolved, origin, timeoutMs, giveUpAtMs, signal } = arrival
  await assertFollows(deps, arrival)
  const deadlineAtMs = Math.min(deps.nowMs() + timeoutMs, giveUpAtMs)
  const planned = await executor.plan(operation, { deadlineAtMs, signal })
  assertStillOurs(arrival)
  const { stored, preconditions } = planned
  const { described, ruling } = arrival.judge(stored)
  const { endpoint, definitionSha256 } = resolved
  const preview = previewOf(call, executor, described, planned)
  const row = {
    organization: call.organization,
    origin: call.origin,
    runWorkflowId: origin.runWorkflowId,
    connection: call.connection,
    operation: call.operation,
    executor: executor.name,
    digest: digestOfWrite({ ...arrival, described }, { stored, preconditions, preview }),
    idempotencyKey: idempotencyKeyOf(call),
    requester: origin.requester,
    plan: {
      endpoint,
      target: described.target,
      arguments: call.arguments,
      stored,
      preconditions,
      definitionSha256,
    },
    requirement: ruling.effect === 'require' ? ruling.requirement : null,
    preview,
  }
  await insertPlannedWriteback(deps.database, { ...row, signedPlan: signPlan(deps, row) })
  return requireWriteback(deps, call.organization, call.origin.writebackId)
}

/**
 * Throws UNKNOWN_ORIGIN, OUTCOME_NOT_PROVEN. A further round is planned only after one that has ended, and surely changed
 * nothing, as its receipt says.
 */
async function assertFollows(deps: DoorDeps, { call, origin }: Arrival): Promise<void> {
  const { organization, origin: said } = call
  if (origin.round === 1) return
  const writebackId = writebackIdOf({ ...said, round: origin.round - 1 })
  const before = await findWriteback(deps.database, { organization, writebackId })
  if (before?.outcome && mayFollow(await provenOutcome(deps, before, before.outcome))) return
  const detail = `${said.writebackId}: ${writebackId} is ${before?.state ?? 'not there'}, so nothing follows it`
  throw new CodedError('UNKNOWN_ORIGIN', detail)
}

function mayFollow({ status, code, mayHaveChanged }: WriteOutcome): boolean {
  if (status === 'failed') return code !== 'NOT_APPLIED' && !mayHaveChanged
  return status === 'conflict' || status === 'withdrawn'
}

export async function requireWriteback(
  deps: DoorDeps,
  organization: string,
  writebackId: string,
): Promise<WritebackRow> {
  const row = await findWriteback(deps.database, { organization, writebackId })
  if (!row) throw new CodedError('NOT_FOUND', `there is no writeback ${writebackId}`)
  return row
}

/** The same for every attempt, known before the first; says nothing about customers. */
export function idempotencyKeyOf(call: { organization: string; origin: { writebackId: string } }): string {
  return `csk_${sha256Hex(`${call.organization}/${call.origin.writebackId}`).slice(0, 40)}`
}

export interface Conclusion {
  status: WriteStatus
  code?: ErrorCode
  message?: string
  output?: JsonValue
  /** How it is known what the target has done. Not where nothing was sent, nor where nobody knows. */
  how?: Exclude<How, 'person'>
  mayHaveChanged?: true
  /** What allowed it: the rule, and the decisions that counted. */
  rule?: string
  decisions?: string[]
}

/** For a write that was never sent. If it is no longer planned, what it has become is the answer. */
export async function closePlanned(
  deps: DoorDeps,
  row: WritebackRow,
  conclusion: Conclusion,
): Promise<WriteOutcome> {
  return close(deps, row, conclusion, { from: 'planned' })
}

/** For the attempt that has sent, with the row as its claim has left it. */
export async function closeSending(
  deps: DoorDeps,
  claimed: WritebackRow,
  conclusion: Conclusion,
): Promise<WriteOutcome> {
  return close(deps, claimed, conclusion, { from: 'sending', attempt: claimed.attempt })
}

/** For whoever finds an attempt whose deadline has passed. */
export async function closeOverdue(
  deps: DoorDeps,
  row: WritebackRow,
  conclusion: Conclusion,
): Promise<WriteOutcome> {
  return close(deps, row, conclusion, { from: 'sending', attempt: row.attempt, isOverdue: true })
}

async function close(
  deps: DoorDeps,
  row: WritebackRow,
  conclusion: Conclusion,
  from: ClosedFrom,
): Promise<WriteOutcome> {
  const content = {
    organization: row.organization,
    runId: row.run_id,
    kind: 'outcome' as const,
    subject: row.writeback_id,
    digest: row.digest,
    facts: outcomeFacts(row, conclusion, from),
  }
  const closing = { row, conclusion, from, content }
  const isOwn = from.from === 'sending' && !from.isOverdue
  // Who holds an answer has compared the row with the call. All others have nothing but the row to sign from.
  if (!isOwn) assertPlanned(deps, row)
  const closed =
    (await closeWithReceipt(deps, closing)) ??
    // Who holds an answer knows better than a ledger that has gone back behind the claim, or has given it up.
    (isOwn && (await restoreClaim(deps.database, claimOf(row)))
      ? await closeWithReceipt(deps, closing)
      : null)
  if (closed) return closed
  const current = await requireWriteback(deps, row.organization, row.writeback_id)
  if (isOwn) warnOfOvertaken(deps, { row, conclusion, from, current })
  if (current.outcome) return provenOutcome(deps, current, current.outcome)
  if (await findReceipt(deps.database, { subject: row.writeback_id, kind: 'outcome' }))
    throw reopened(current)
  throw new CodedError('WRITE_IN_PROGRESS', `${row.writeback_id} is ${current.state} in another attempt`)
}

/** A row that was open again after its end: somebody has changed it. */
export function reopened({ writeback_id: writebackId, state }: WritebackRow): CodedError {
  const detail = `${writebackId} is ${state} in the ledger, and has a receipt of its end`
  return new CodedError('OUTCOME_NOT_PROVEN', detail)
}

/** The answer of a target that comes after its attempt was given up counts no more, but whoever looks into it needs it. */
function warnOfOvertaken(
  { warn }: DoorDeps,
  late: { row: WritebackRow; conclusion: Conclusion; from: { attempt: number }; current: WritebackRow },
): void {
  const { row, conclusion, from, current } = late
  // Recorded before, by this very attempt, whose own answer was lost on the way from the ledger.
  if (current.attempt === from.attempt && current.outcome?.status === conclusion.status) return
  const { status, code = null } = conclusion
  const answered = { writeback: row.writeback_id, attempt: from.attempt, status, code }
  warn('an answer came too late to be recorded', { ...answered, recorded: current.state })
}

/** Outcome and receipt in one transaction. Null: the row was no longer in the state expected, and nothing was written. */
export async function closeWithReceipt(
  deps: DoorDeps,
  closing: { row: WritebackRow; conclusion: Conclusion; from: ClosedFrom; content: ReceiptContent },
): Promise<WriteOutcome | null> {
  const { row, conclusion, from, content } = closing
  const { status, code, message, output, mayHaveChanged } = conclusion
  return inTransaction(deps.database, async (tx) => {
    const { receipt, isNew } = await issueReceipt(tx, content, deps.signingKey, deps.nowMs())
    const outcome: WriteOutcome = {
      kind: 'write',
      status,
      writebackId: row.writeback_id,
      output: output ?? null,
      ...(code ? { code } : {}),
      ...(message ? { message } : {}),
      ...(mayHaveChanged ? { mayHaveChanged } : {}),
      receipt,
    }
    // Rolls the receipt back: it would be about something that did not happen here. With a receipt of its end, a row is
    // closed already, whatever it says.
    if (!isNew || !(await closeWriteback(tx, { outcome, ...from }))) throw new NotOurs()
    if (from.from === 'planned') await withdrawApprovals(tx, row.writeback_id)
    return outcome
  }).catch((error: unknown) => {
    if (error instanceof NotOurs) return null
    throw error
  })
}

/** Ends the transaction of an attempt that is no longer the one that counts. */
class NotOurs extends Error {}

function outcomeFacts(
  row: WritebackRow,
  conclusion: Conclusion,
  from: { from: string; attempt?: number },
): Record<string, unknown> {
  const { automation, revision, path, requester, preview, idempotency_key: idempotencyKey } = row
  const { output = null, how = null, ...said } = conclusion
  return {
    writebackId: row.writeback_id,
    automation,
    revision,
    path,
    requester,
    preview,
    idempotencyKey,
    attempt: from.attempt ?? 0,
    how,
    answerSha256: answerDigest(output),
    ...said,
  }
}
