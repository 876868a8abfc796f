/**
 * The one place where a decision is judged, whatever door it came through. Pure: the state of an approval and a verified
 * vote in, the new state and the answer for whoever voted out. Codes are those of the error table.
 */
import { objectionToTurn, objectionToVoter } from '../lib/eligibility.ts'
import { LIMITS } from '../lib/limits.ts'
import { judge } from '../lib/quorum.ts'
import type { ErrorCode } from '../schemas/errors.ts'
import type { DecisionAnswer, PendingWrite, Recorded, Vote } from '../schemas/run.ts'

export type ApprovalStatus = 'waiting' | 'approved' | 'rejected' | 'expired' | 'withdrawn'

export interface ApprovalState {
  pending: PendingWrite
  expiresAtMs: number
  status: ApprovalStatus
  votes: readonly Vote[]
  /** What each decision was told, so that one that comes twice is told the same. */
  answers: Readonly<Record<string, DecisionAnswer>>
  /** For people who look at the workflow, newest last. */
  refusals: readonly { code: ErrorCode; message: string }[]
}

export interface Decided {
  state: ApprovalState
  answer: DecisionAnswer
  /** Whether this vote counts now, and is to be recorded. */
  counted: boolean
}

/**
 * Looking at a message costs a look-up, and anybody with the namespace may send any number of signals: after so many that
 * did not count no further signal is looked at. Updates are, so that no signal stops the API; Temporal bounds them.
 */
export const MAX_REFUSALS = LIMITS.refusedDecisions

export function createApprovalState(pending: PendingWrite, expiresAtMs: number): ApprovalState {
  return { pending, expiresAtMs, status: 'waiting', votes: [], answers: {}, refusals: [] }
}

/** `isRecorded`: it has counted before, so whose turn it was has been looked at. */
export function decide(
  state: ApprovalState,
  vote: Vote,
  nowMs: number,
  { isRecorded = false }: { isRecorded?: boolean } = {},
): Decided {
  const earlier = state.answers[vote.decisionId]
  if (earlier) return { state, answer: earlier, counted: false }
  const objection =
    objectionTo(state, vote, nowMs) ?? (isRecorded ? null : objectionToTurn(state.pending, state.votes, vote))
  if (objection) return refuse(state, objection.code, objection.message, vote.decisionId)
  return count(state, vote)
}

/** A message that is no vote at all, or one that does not count. */
export function refuse(state: ApprovalState, code: ErrorCode, message: string, decisionId?: string): Decided {
  const answer: DecisionAnswer = { accepted: false, state: state.status, code, message }
  const answers = decisionId === undefined ? state.answers : { ...state.answers, [decisionId]: answer }
  const refusals = [...state.refusals, { code, message }].slice(-MAX_REFUSALS)
  return { state: { ...state, answers, refusals }, answer, counted: false }
}

function objectionTo(
  state: ApprovalState,
  vote: Vote,
  nowMs: number,
): { code: ErrorCode; message: string } | null {
  const { pending } = state
  if (state.status !== 'waiting') return { code: 'ALREADY_DECIDED', message: howItEnded(state) }
  if (nowMs >= state.expiresAtMs)
    return { code: 'EXPIRED', message: `the time was over at ${iso(state.expiresAtMs)}` }
  if (vote.digest !== pending.digest) {
    const message = `the decision is about ${short(vote.digest)}; what waits is ${short(pending.digest)}`
    return { code: 'STALE_DIGEST', message }
  }
  return objectionToVoter(pending, state.votes, vote)
}

function count(state: ApprovalState, vote: Vote): Decided {
  const votes = [...state.votes, vote]
  const { requirement, requester } = state.pending
  const judgement = judge(requirement, requester, votes)
  const status = judgement.state
  const answer: DecisionAnswer = { accepted: true, state: status, message: messageFor(judgement) }
  const answers = { ...state.answers, [vote.decisionId]: answer }
  return { state: { ...state, status, votes, answers }, answer, counted: true }
}

/** Of a vote that counts, once it is kept: the votes as our records know them, and what follows from them. */
export function asRecorded(decided: Decided, { votes, state: status }: Recorded): Decided {
  const { state, answer } = decided
  if (status === state.status) return { ...decided, state: { ...state, votes } }
  const { requirement, requester } = state.pending
  const told: DecisionAnswer = {
    ...answer,
    state: status,
    message: messageFor(judge(requirement, requester, votes)),
  }
  const answers = Object.fromEntries(
    Object.entries(state.answers).map(([id, known]) => [id, known === answer ? told : known]),
  )
  return { ...decided, state: { ...state, status, votes, answers }, answer: told }
}

function messageFor(judgement: ReturnType<typeof judge>): string {
  switch (judgement.state) {
    case 'approved':
      return 'approved'
    case 'rejected':
      return 'rejected'
    case 'waiting':
      return `recorded; ${judgement.missing} more needed`
    default:
      return judgement satisfies never
  }
}

function howItEnded(state: ApprovalState): string {
  const last = state.votes.at(-1)
  if (!last || state.status === 'expired' || state.status === 'withdrawn') return state.status
  return `${state.status} by ${last.principal} at ${last.at} (${last.channel})`
}

function short(digest: string): string {
  return digest.slice(0, 12)
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString()
}
