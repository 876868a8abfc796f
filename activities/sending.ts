/**
 * Sending a write, and settling one that was sent by an attempt that is gone.
 *
 * Where a process may die: before the claim, nothing has happened. After the claim, the row says `sending`, and nobody
 * touches it until its deadline. After the target answered, or after the outcome was recorded, the same: the next
 * attempt finds either the outcome or a row whose deadline has passed.
 */
import { isDatabaseAway } from '../db/away.ts'
import { claimSending, releaseSending, type WritebackRow } from '../db/queries/writebacks.ts'
import { isTrusted } from '../lib/keys.ts'
import { SendWindow } from '../lib/send-window.ts'
import { CodedError, ERRORS } from '../schemas/errors.ts'
import type { How } from '../schemas/receipt.ts'
import type { WriteOutcome } from '../schemas/run.ts'
import type { Authorisation, AuthorisationFacts } from './authorise.ts'
import { signClaim } from './claims.ts'
import type { Answer } from './executors/executor.ts'
import { closeOverdue, closeSending, type Conclusion } from './ledger.ts'
import { lookAtOnce, tellLost } from './lost-answers.ts'
import { assertStillOurs, type DoorDeps, type Passage } from './door.ts'
import { signRelease } from './signed-rows.ts'

/**
 * The ledger’s deadline lies this long after the one given to the executor: closing a session of a slow MCP server takes up to 1.3 s, and the socket must be gone before
 * anybody else may conclude anything.
 */
const DEADLINE_MARGIN_MS = 1_500

/** How often an answer is recorded anew while the ledger cannot be reached. */
const RECORD_RETRY_MS = 250

/** How soon a held write notices that its connection was thawed. */
const FROZEN_RETRY_MS = 1_000

/**
 * From the look at people and cancels to the claim. They are not in the ledger's statement, so that what they have said
 * while it waited for somebody, or while this process stood still, would not count.
 */
const JUDGED_FOR_MS = 2_000

/** How soon an attempt looks again whether its workflow has heard that it is to end. */
const CANCEL_RETRY_MS = 1_000

export async function sendWrite(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
  { facts: authorisation, lapsesAtMs, sinceJudged }: Authorisation,
): Promise<WriteOutcome> {
  const { executor, operation, resolved, timeoutMs } = passage
  assertNotFrozen(passage)
  if (row.state === 'planned') await assertWanted(passage)
  // Behind what is waited for: a process may stand still there, and others have gone on meanwhile.
  assertStillOurs(passage)
  assertBelieved(deps)
  // Opened before the claim: however long claim and witness take, our deadline comes before the ledger's.
  const window = new SendWindow(timeoutMs, lapsesAtMs - deps.nowMs())
  const claimed = await claim(deps, row, passage)
  if (sinceJudged.elapsedMs > JUDGED_FOR_MS) await letGo(deps, passage, row, claimed)
  await tellWitness(deps, passage, row, claimed)
  const answer = await executor.apply(operation, {
    key: row.idempotency_key,
    writebackId: row.writeback_id,
    digest: row.digest,
    stored: row.plan.stored,
    preconditions: row.plan.preconditions as Record<string, never>,
    // That was compared with what people have approved; what files say by now, nobody has seen.
    destination: resolved.destination,
    window,
    deadlineAtMs: window.deadlineAtMs,
    // A cancelled run does not stop a write half-way: it ends in an outcome, at the latest at the deadline.
    signal: new AbortController().signal,
  })
  assertPassed(window, answer)
  const deadlineAtMs = window.deadlineAtMs + DEADLINE_MARGIN_MS
  const sent = { row, claimed, deadlineAtMs, authorisation, how: executor.how }
  return record(deps, passage, sent, answer)
}

/** A worker that was away takes up an attempt before the workflow has heard of its cancel. Then the workflow ends the write. */
async function assertWanted(passage: Passage): Promise<void> {
  const { call, origin, witness } = passage
  const { writebackId } = call.origin
  const isAsked = await witness.isCancelAsked(origin.runWorkflowId).catch((cause: unknown) => {
    // It is not asked to its end by an attempt that is ended meanwhile.
    assertStillOurs(passage)
    throw new CodedError(
      'WRITE_NOT_SENT',
      `${writebackId}: Temporal does not say whether it is still wanted`,
      {
        cause,
      },
    )
  })
  if (!isAsked) return
  const detail = `${writebackId}: its run was asked to end, so nothing is begun`
  throw new CodedError('WRITE_IN_PROGRESS', detail, { nextRetryDelayMs: CANCEL_RETRY_MS })
}

/** Nothing leaves that could have no receipt: keys are retired while workers run. Another worker may have a better one. */
function assertBelieved({ signingKey: { keyId }, trust }: DoorDeps): void {
  if (isTrusted(trust.keys, { keyId, purpose: 'receipt' })) return
  const detail = `the key of this worker, ${keyId}, is retired or not in public.json: give it one that is, and restart it`
  throw new CodedError('WRITE_NOT_SENT', detail)
}

/** The row as our claim leaves it. Throws WRITE_IN_PROGRESS. */
async function claim(
  { database }: DoorDeps,
  row: WritebackRow,
  { timeoutMs: callMs, judgedBy }: Passage,
): Promise<WritebackRow> {
  const { writeback_id: writebackId, attempt: seenAttempt } = row
  const timeoutMs = callMs + DEADLINE_MARGIN_MS
  const claimed = await claimSending(database, { writebackId, seenAttempt, timeoutMs, judgedBy })
  if (!claimed) {
    const detail = `${writebackId}: another attempt was first, or the connection was frozen, or it or a policy was changed this moment`
    throw new CodedError('WRITE_IN_PROGRESS', detail)
  }
  const { attempt, deadline_at, updated_at } = claimed
  const times = { deadline_at: deadline_at.toISOString(), updated_at: updated_at.toISOString() }
  return { ...row, ...times, state: 'sending', attempt }
}

/** It is judged anew by the next attempt. Throws WRITE_IN_PROGRESS, and CANCELLED if there is none. */
async function letGo(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
  claimed: WritebackRow,
): Promise<never> {
  if (row.state === 'planned') await release(deps, claimed)
  assertStillOurs(passage)
  const detail = `${row.writeback_id}: its claim had to wait, and what allows it may be over by now`
  throw new CodedError('WRITE_IN_PROGRESS', detail)
}

/** How long the call of this attempt might take. Its claim says it, whatever the connection says by now. */
export function timeoutOfAttempt({
  deadline_at: deadlineAt,
  updated_at: claimedAt,
}: Pick<WritebackRow, 'deadline_at' | 'updated_at'>): number {
  return deadlineAt === null ? 0 : Date.parse(deadlineAt) - Date.parse(claimedAt) - DEADLINE_MARGIN_MS
}

/** Nothing leaves before somebody besides the ledger knows that it may have. Throws WRITE_NOT_SENT. */
async function tellWitness(
  deps: DoorDeps,
  { witness }: Passage,
  row: WritebackRow,
  claimed: WritebackRow,
): Promise<void> {
  try {
    await witness.tell(signClaim(deps, claimed))
  } catch (cause) {
    if (row.state === 'planned') await release(deps, claimed)
    throw new CodedError('WRITE_NOT_SENT', `${row.writeback_id}: Temporal does not take the claim`, { cause })
  }
}

/** An executor whose target has answered, and that has not passed the window, sends without looking at the clocks. */
function assertPassed(window: SendWindow, answer: Answer): void {
  if (answer.kind === 'answered' && !window.hasPassed)
    throw new Error('the executor has an answer and has not passed the window of its sending')
}

/** Planning, asking people and readings go on; here is where a frozen connection holds a write. */
function assertNotFrozen({ call, frozenReason }: Passage): void {
  if (frozenReason === null) return
  const detail = `${call.connection} holds this write${frozenReason && `: ${frozenReason}`}`
  throw new CodedError('CONNECTION_FROZEN', detail, { nextRetryDelayMs: FROZEN_RETRY_MS })
}

interface Sent {
  /** As it was before our claim. */
  row: WritebackRow
  claimed: WritebackRow
  deadlineAtMs: number
  authorisation: AuthorisationFacts
  /** What an answer of this target is worth. */
  how: Exclude<How, 'person'>
}

async function record(deps: DoorDeps, passage: Passage, sent: Sent, answer: Answer): Promise<WriteOutcome> {
  const { row, claimed, deadlineAtMs, authorisation, how } = sent
  const isFirst = row.state === 'planned'
  switch (answer.kind) {
    case 'answered': {
      const known = answer.status === 'unknown' ? {} : { how }
      const conclusion = { ...conclusionOf(answer, row), ...known, ...authorisation }
      return whileAway(deps, deadlineAtMs, () => closeSending(deps, claimed, conclusion))
    }
    case 'not_sent':
      return notDone(deps, sent, { error: answer.unsent.error, coversAll: isFirst })
    case 'not_done': {
      const { by, error } = answer
      return notDone(deps, sent, { error, coversAll: isFirst || by === 'receipt', how })
    }
    case 'lost':
      return withoutAnswer(deps, passage, sent, answer)
    default:
      return answer satisfies never
  }
}

/** The next attempt settles it, and says what this one has seen. */
async function withoutAnswer(
  deps: DoorDeps,
  passage: Passage,
  { claimed, deadlineAtMs, authorisation }: Sent,
  answer: Extract<Answer, { kind: 'lost' }>,
): Promise<WriteOutcome> {
  const seen = answer.isAnswered ? await lookAtOnce(passage, claimed, deadlineAtMs) : null
  if (seen) {
    const conclusion = { status: 'applied', output: seen.output, how: 'checked', ...authorisation } as const
    return whileAway(deps, deadlineAtMs, () => closeSending(deps, claimed, conclusion))
  }
  await tellLost(deps, passage, claimed, answer)
  const { writeback_id: writebackId, attempt } = claimed
  const detail = `${writebackId}: no answer to attempt ${attempt}: ${answer.error.message}`
  const nextRetryDelayMs = Math.max(0, deadlineAtMs - deps.nowMs()) + 50
  throw new CodedError('WRITE_IN_PROGRESS', detail, { cause: answer.error, nextRetryDelayMs })
}

/** A failure says nothing about an earlier attempt whose fate is unknown. */
function conclusionOf(
  { kind: _kind, ...said }: Extract<Answer, { kind: 'answered' }>,
  row: WritebackRow,
): Conclusion {
  if (said.status !== 'failed') return said
  const { mayHaveChanged, ...rest } = said
  return mayHaveChanged || row.state === 'sending' ? { ...rest, mayHaveChanged: true } : rest
}

/**
 * What will not get better by waiting ends the write; the rest is tried again. After an attempt whose fate is unknown
 * (unless this is about that one, too) the row stays in `sending`: not done now does not mean not done.
 */
async function notDone(
  deps: DoorDeps,
  { claimed, deadlineAtMs, authorisation }: Sent,
  { error, coversAll, how }: { error: CodedError; coversAll: boolean; how?: Sent['how'] },
): Promise<WriteOutcome> {
  const { code, message } = error
  if (coversAll && !ERRORS[code].retryable) {
    const known = how === undefined ? {} : { how }
    const conclusion = { status: 'failed', code, message, ...known, ...authorisation } as const
    return whileAway(deps, deadlineAtMs, () => closeSending(deps, claimed, conclusion))
  }
  if (coversAll) await release(deps, claimed)
  throw error
}

/**
 * By attempt: whoever has taken the row over meanwhile keeps it. A row that stays in `sending` would be one of which nobody
 * knows whether it was sent.
 */
async function release(deps: DoorDeps, claimed: WritebackRow): Promise<void> {
  const { writeback_id: writebackId, attempt, deadline_at: deadlineAt, updated_at: claimedAt } = claimed
  const signed = signRelease(deps, claimed)
  await whileAway(deps, Date.parse(deadlineAt ?? claimedAt), () =>
    releaseSending(deps.database, { writebackId, attempt, signed }),
  )
}

/** What we know is not given up because the ledger is away for a moment: nobody else may conclude before the deadline. */
async function whileAway<T>(deps: DoorDeps, deadlineAtMs: number, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isDatabaseAway(error) || deps.nowMs() + RECORD_RETRY_MS >= deadlineAtMs) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, RECORD_RETRY_MS))
  }
}

/** Only past the deadline of the attempt that has sent. */
export async function concludeUnknown(
  deps: DoorDeps,
  row: WritebackRow,
  message: string,
): Promise<WriteOutcome> {
  return closeOverdue(deps, row, { status: 'unknown', code: 'OUTCOME_UNKNOWN', message })
}
