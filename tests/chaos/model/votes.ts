/** What the decisions of a history may have come to, in the order in which they were made. Pure. */
import type { Answer, Gate, Verdict } from './actions.ts'
import type { Step } from './model.ts'

export interface Vote {
  verdict: Verdict
  by: string
  /** `counted`: whoever decided was told so. `recorded`: it is looked at. `sent`: it may come too late. */
  kind: 'counted' | 'recorded' | 'sent'
  /** The state that its answer gave, if it counted. */
  state: string | null
  /** What would have applied it was still there. */
  inTime: boolean
}

export function votesOf(steps: readonly Step[]): Vote[] {
  const cut = cutOf(steps)
  return steps.flatMap(({ action, answer }, index) => {
    if (action.kind !== 'decide' || !isVote(answer)) return []
    const { verdict, by } = action
    const state = answer.kind === 'counted' ? answer.state : null
    return [{ verdict, by, kind: answer.kind, state, inTime: index < cut }]
  })
}

/** An execution that was terminated takes nothing any more, unless a reset plays the whole again. */
function cutOf(steps: readonly Step[]): number {
  const done = (step: Step): boolean => step.answer.kind === 'done'
  if (steps.some((step) => step.action.kind === 'reset' && done(step))) return steps.length
  const cut = steps.findIndex(
    (step) => step.action.kind === 'terminate' && step.action.what !== 'run' && done(step),
  )
  return cut < 0 ? steps.length : cut
}

function isVote(answer: Answer): answer is Extract<Answer, { kind: Vote['kind'] }> {
  return answer.kind === 'counted' || answer.kind === 'recorded' || answer.kind === 'sent'
}

export const quorumOf = (gate: Gate): number => (gate === 'two' ? 2 : 1)

export const peopleOf = (votes: readonly Vote[], verdict: Verdict): Set<string> =>
  new Set(votes.filter((vote) => vote.verdict === verdict).map(({ by }) => by))

/** Votes that are looked at, and not as the second one of somebody. Whether before the end is another question. */
export function firstVotes(votes: readonly Vote[]): Vote[] {
  return votes.filter(
    ({ by, kind }, index) => kind !== 'sent' && !votes.slice(0, index).some((earlier) => earlier.by === by),
  )
}

/** If nobody stops it, the wait is over. */
export function isSurelyDecided(gate: Gate, votes: readonly Vote[]): boolean {
  if (gate === 'free' || gate === 'deny') return true
  const sure = firstVotes(votes)
  return peopleOf(sure, 'reject').size > 0 || peopleOf(sure, 'approve').size >= quorumOf(gate)
}

/** Somebody was told so; or, where the order is kept, nobody can have approved it before. */
export function isSurelyRejected(gate: Gate, votes: readonly Vote[], isOrderKept: boolean): boolean {
  const isFirst = (vote: Vote): boolean => {
    const before = votes.slice(0, votes.indexOf(vote))
    return peopleOf(before, 'approve').size < quorumOf(gate)
  }
  return (
    isTold(votes, 'rejected') ||
    (isOrderKept && firstVotes(votes).some((vote) => vote.verdict === 'reject' && isFirst(vote)))
  )
}

/** What somebody who decided was told has become of it. */
export const isTold = (votes: readonly Vote[], end: 'approved' | 'rejected'): boolean =>
  votes.some(({ state }) => state === end)

/** One that came after its approval stops a write that was not sent yet, and is told as recorded. */
export const mayBeRejected = (votes: readonly Vote[]): boolean =>
  !isTold(votes, 'approved') || votes.some(({ verdict, kind }) => verdict === 'reject' && kind === 'recorded')
