/**
 * What to do with a row that says `sending` when its deadline has passed: the attempt is gone, and its answer lost.
 *
 * It is sent again only where the target makes that harmless, and only if it is authorised today: a row that says
 * `sending` proves nothing; and never for a run that does not want it any more, for which it could be the first time. Else
 * the target is looked at, where somebody has said how. Where even that does not tell, nobody knows, and we say so: then a
 * person has to find out.
 */
import { releaseSending, type WritebackRow } from '../db/queries/writebacks.ts'
import { Stopwatch } from '../lib/stopwatch.ts'
import { CodedError, ERRORS } from '../schemas/errors.ts'
import type { LostAnswer } from '../schemas/claim.ts'
import type { Envelope, PerformResult } from '../schemas/run.ts'
import { allowedBy, judgeWrite, type Authorisation } from './authorise.ts'
import { datedClaims } from './claims.ts'
import type { DoorDeps, Passage } from './door.ts'
import type { CheckAnswer } from './executors/executor.ts'
import { closeOverdue } from './ledger.ts'
import { inWords, lostAnswerOf } from './lost-answers.ts'
import { concludeUnknown, sendWrite, timeoutOfAttempt } from './sending.ts'
import { signRelease } from './signed-rows.ts'

/** Null: it was surely not done, the row is planned again, and goes the way of every planned write. */
export async function settle(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
  decisions: readonly Envelope[],
): Promise<PerformResult | null> {
  const { executor, operation, giveUpAtMs } = passage
  if (executor.resend(operation) !== 'safe') return settleByLooking(deps, passage, row)
  // Before the look at cancels, which is part of what the claim may not be older than.
  const sinceJudged = new Stopwatch()
  const asked = await withCancel(passage)
  if (!asked.toEnd && deps.nowMs() < giveUpAtMs) {
    const authorisation = await authorisationOf(deps, passage, row, decisions)
    if (authorisation)
      return { kind: 'done', outcome: await sendWrite(deps, passage, row, { ...authorisation, sinceJudged }) }
  }
  return settleByLooking(deps, asked, row)
}

/**
 * With what was asked of its run meanwhile. Only where it could be sent again: Temporal may not answer, which stands in
 * the way of nothing else.
 */
async function withCancel(passage: Passage): Promise<Passage> {
  const { toEnd, witness, origin } = passage
  if (toEnd || !(await witness.isCancelAsked(origin.runWorkflowId))) return passage
  return { ...passage, toEnd: { because: 'withdrawn' } }
}

/** Null if today nothing allows it. */
async function authorisationOf(
  deps: DoorDeps,
  { ruling }: Passage,
  row: WritebackRow,
  decisions: readonly Envelope[],
): Promise<Authorisation | null> {
  if (ruling.effect === 'deny') return null
  if (ruling.effect === 'allow') return allowedBy(ruling.rule)
  const judged = await judgeWrite(deps, row, ruling.requirement, decisions)
  return judged.judgement.state === 'approved' ? judged : null
}

async function settleByLooking(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
): Promise<PerformResult | null> {
  const { executor, operation, resolved, timeoutMs, signal } = passage
  const { destination } = resolved
  const limits = { deadlineAtMs: deps.nowMs() + timeoutMs, signal }
  const { idempotency_key: key, digest } = row
  const seen = await executor.check(operation, { key, digest, destination, ...limits })
  const told = lostAnswerOf(deps, passage, row)
  const lost = inWords(row, told)
  switch (seen?.kind) {
    case undefined: {
      const isHeld = passage.toEnd && executor.resend(operation) === 'safe'
      const message = isHeld ? `${lost}; nobody wants it any more, so it is not sent again` : lost
      return { kind: 'done', outcome: await concludeUnknown(deps, row, message) }
    }
    case 'unclear':
      return { kind: 'done', outcome: await concludeUnknown(deps, row, `${lost}; ${seen.message}`) }
    case 'applied':
      return conclude(deps, passage, row, { status: 'applied', output: seen.output })
    case 'conflict':
      return conclude(deps, passage, row, {
        status: 'conflict',
        code: 'WRITE_CONFLICT',
        message: seen.message,
      })
    case 'not_applied':
      return settleNotApplied(deps, passage, row, { seen, told })
    default:
      return seen satisfies never
  }
}

async function conclude(
  deps: DoorDeps,
  { executor }: Passage,
  row: WritebackRow,
  conclusion: Parameters<typeof closeOverdue>[2],
): Promise<PerformResult> {
  const how = executor.how === 'atomic' ? 'atomic' : 'checked'
  const outcome = await closeOverdue(deps, row, { ...conclusion, how })
  return { kind: 'done', outcome }
}

/**
 * A target that does not keep our key may be late: it is looked at once more, after as long again as a call may take.
 * That bounds the looks to two. A look counts as of when the row was read, by the clock that has set its deadline.
 */
async function settleNotApplied(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
  { seen, told }: { seen: Extract<CheckAnswer, { kind: 'not_applied' }>; told: LostAnswer | null },
): Promise<PerformResult | null> {
  const { overdueMs, giveUpAtMs } = passage
  const uncertainMs = Math.ceil(longestCallMs(deps, passage, row) - overdueMs)
  if (!seen.isFinal && uncertainMs > 0) {
    const detail = `${row.writeback_id}: a reading shows no effect of attempt ${row.attempt} yet`
    throw new CodedError('WRITE_IN_PROGRESS', detail, { nextRetryDelayMs: uncertainMs + 50 })
  }
  // What it would be answered with once more. `retry` of the step may try it anew, for nothing was changed.
  if (told?.isAnswered && !ERRORS[told.code].retryable) {
    const message = `${told.words}; ${row.plan.target} shows no effect of it`
    return conclude(deps, passage, row, { status: 'failed', code: told.code, message })
  }
  const { toEnd } = await withCancel(passage)
  if (toEnd || deps.nowMs() >= giveUpAtMs) {
    const words = told ? ` (${told.words})` : ''
    const message = `the answer to attempt ${row.attempt} was lost${words}, and ${row.plan.target} shows no effect of it`
    return conclude(deps, passage, row, { status: 'failed', code: 'NOT_APPLIED', message })
  }
  const { writeback_id: writebackId, attempt, updated_at: claimedAt } = row
  const released = { writebackId, attempt, signed: signRelease(deps, row), overdue: { claimedAt } }
  if (await releaseSending(deps.database, released)) return null
  throw new CodedError('WRITE_IN_PROGRESS', `${row.writeback_id}: another attempt was first`)
}

/**
 * The connection may have been given a shorter time since: this attempt was sent with the one that it had then. What its
 * row says of that can be edited, what Temporal was told cannot.
 */
function longestCallMs(deps: DoorDeps, { timeoutMs, witness }: Passage, row: WritebackRow): number {
  const attempts = [row, ...datedClaims(deps, witness.said, row)]
  return Math.max(timeoutMs, ...attempts.map(timeoutOfAttempt))
}

/**
 * Whether what keeps us from settling may go away by itself before the step's time is over. If not, nobody knows.
 * A look that was cut short, because the run is cancelled or the worker stops, says nothing about the write.
 */
export function mayPassAway(
  error: unknown,
  { nowMs, giveUpAtMs }: { nowMs: number; giveUpAtMs: number },
): boolean {
  if (!(error instanceof CodedError) || error.code === 'CANCELLED') return true
  if (error.code === 'WRITE_IN_PROGRESS' || error.code === 'CONNECTION_FROZEN') return true
  return ERRORS[error.code].retryable && nowMs < giveUpAtMs
}
