/**
 * Sending a write, and settling one that was sent by an attempt that is gone.
 *
 * Where a process may die: before the claim, nothing has happened. After the claim, the row says `sending`, and nobody
 * touches it until its deadline. After the target answered, or after the outcome was recorded, the same: the next
 * attempt finds either the outcome or a row whose deadline has passed.
 */
import { isDatabaseAway } from '../db/away.ts'
import { claimSending, releaseSending, type WritebackRow } from '../db/queries/writebacks.ts'
import { CodedError } from '../schemas/errors.ts'
import type { WriteOutcome } from '../schemas/run.ts'
import type { AuthorisationFacts } from './authorise.ts'
import { signClaim } from './claims.ts'
import type { Answer, Executor } from './executors/executor.ts'
import { closeOverdue, closeSending } from './ledger.ts'
import { assertStillOurs, type DoorDeps, type Passage } from './door.ts'

/**
 * The ledger’s deadline lies this long after the one given to the executor: closing a session of a slow MCP server takes up to 1.3 s, and the socket must be gone before
 * anybody else may conclude anything.
 */
const DEADLINE_MARGIN_MS = 1_500

/** How often an answer is recorded anew while the ledger cannot be reached. */
const RECORD_RETRY_MS = 250

/** How soon a held write notices that its connection was thawed. */
const FROZEN_RETRY_MS = 1_000

export async function sendWrite(
  deps: DoorDeps,
  passage: Passage,
  row: WritebackRow,
  authorisation: AuthorisationFacts,
): Promise<WriteOutcome> {
  const { executor, operation, timeoutMs } = passage
  assertNotFrozen(passage)
  assertStillOurs(passage)
  // Taken before the claim: however long the claim takes, our deadline comes before the ledger's.
  const deadlineAtMs = deps.nowMs() + timeoutMs
  const claimed = await claim(deps, row, timeoutMs + DEADLINE_MARGIN_MS)
  await tellWitness(deps, passage, row, claimed)
  const answer = await executor.apply(operation, {
    key: row.idempotency_key,
    writebackId: row.writeback_id,
    digest: row.digest,
    preconditions: row.plan.preconditions as Record<string, never>,
    deadlineAtMs,
    // A cancelled run does not stop a write half-way: it ends in an outcome, at the latest at the deadline.
    signal: new AbortController().signal,
  })
  return record(
    deps,
    row,
    { claimed, deadlineAtMs: deadlineAtMs + DEADLINE_MARGIN_MS, authorisation, how: executor.how },
    answer,
  )
}

/** The row as our claim leaves it. Throws WRITE_IN_PROGRESS. */
async function claim({ database }: DoorDeps, row: WritebackRow, timeoutMs: number): Promise<WritebackRow> {
  const { writeback_id: writebackId, attempt: seenAttempt } = row
  const claimed = await claimSending(database, { writebackId, seenAttempt, timeoutMs })
  if (!claimed) {
    const detail = `${writebackId}: another attempt was first, or the connection was frozen this moment`
    throw new CodedError('WRITE_IN_PROGRESS', detail)
  }
  const { attempt, deadline_at, updated_at } = claimed
  const times = { deadline_at: deadline_at.toISOString(), updated_at: updated_at.toISOString() }
  return { ...row, ...times, state: 'sending', attempt }
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
    const { writeback_id: writebackId, attempt } = claimed
    if (row.state === 'planned') await releaseSending(deps.database, { writebackId, attempt })
    throw new CodedError('WRITE_NOT_SENT', `${writebackId}: Temporal does not take the claim`, { cause })
  }
}

/** Planning, asking people and readings go on; here is where a frozen connection holds a write. */
function assertNotFrozen({ call, frozenReason }: Passage): void {
  if (frozenReason === null) return
  const detail = `${call.connection} holds this write${frozenReason && `: ${frozenReason}`}`
  throw new CodedError('CONNECTION_FROZEN', detail, { nextRetryDelayMs: FROZEN_RETRY_MS })
}

async function record(
  deps: DoorDeps,
  row: WritebackRow,
  sent: {
    claimed: WritebackRow
    deadlineAtMs: number
    authorisation: AuthorisationFacts
    how: Executor['how']
  },
  answer: Answer,
): Promise<WriteOutcome> {
  switch (answer.kind) {
    case 'answered': {
      const { kind: _kind, ...conclusion } = answer
      const { how, authorisation } = sent
      const known = conclusion.status === 'unknown' ? {} : { how }
      return whileAway(deps, sent.deadlineAtMs, () =>
        closeSending(deps, sent.claimed, { ...conclusion, ...known, ...authorisation }),
      )
    }
    case 'not_sent':
      // After an attempt whose fate is unknown, the row stays in `sending`: not sent now does not mean not done.
      if (row.state === 'planned')
        await releaseSending(deps.database, { writebackId: row.writeback_id, attempt: sent.claimed.attempt })
      throw answer.error
    case 'lost':
      throw new CodedError(
        'WRITE_IN_PROGRESS',
        `${row.writeback_id}: no answer to attempt ${sent.claimed.attempt}: ${answer.error.message}`,
        {
          cause: answer.error,
          nextRetryDelayMs: Math.max(0, sent.deadlineAtMs - deps.nowMs()) + 50,
        },
      )
    default:
      return answer satisfies never
  }
}

/** An answer that we hold is not given up because the ledger is away for a moment: nobody else may conclude before the deadline. */
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
