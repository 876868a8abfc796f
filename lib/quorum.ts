/**
 * Do these votes satisfy this requirement? The one answer to that question, used by the approval workflow when a vote
 * comes in and by the door when the write is applied. Pure; workflow code imports it, so it imports types only.
 */
import type { Requester, Requirement, Stage, Vote } from '../schemas/run.ts'

/** `lastVoteAt`: when the votes were enough; what was said later does not make an approval younger. */
export type Judgement =
  | { state: 'waiting'; stage: number; missing: number }
  | { state: 'approved'; lastVoteAt: string }
  | { state: 'rejected'; by: Vote }

type Voter = Pick<Vote, 'principal' | 'kind' | 'roles' | 'method'>

/** Null if the voter may decide, else why not. */
export function ineligibility(
  requirement: Requirement,
  requester: Requester,
  voter: Voter,
): 'SELF_APPROVAL' | 'NOT_ELIGIBLE' | null {
  if (voter.kind !== 'person') return 'NOT_ELIGIBLE'
  if (requirement.identity === 'verified' && voter.method === 'asserted') return 'NOT_ELIGIBLE'
  const asked = voter.principal === requester.principal || requester.onBehalfOf.includes(voter.principal)
  if (asked && !requirement.selfApproval) return 'SELF_APPROVAL'
  return requirement.stages.some((stage) => fits(stage, voter)) ? null : 'NOT_ELIGIBLE'
}

/** Votes count in the order given; those of people who are not eligible, and second ones, do not count. */
export function judge(requirement: Requirement, requester: Requester, votes: readonly Vote[]): Judgement {
  const counted = firstVotes(votes).filter((vote) => ineligibility(requirement, requester, vote) === null)
  const rejection = counted.find((vote) => vote.verdict === 'reject')
  if (rejection && requirement.anyRejectEnds) return { state: 'rejected', by: rejection }
  const approvals = counted.filter((vote) => vote.verdict === 'approve')
  for (const index of approvals.keys()) {
    const enough = approvals.slice(0, index + 1)
    if (firstOpenStage(requirement.stages, enough) === null)
      return { state: 'approved', lastVoteAt: latest(enough) }
  }
  return { state: 'waiting', ...(firstOpenStage(requirement.stages, approvals) ?? { stage: 0, missing: 1 }) }
}

/**
 * Stages are met in order; one person counts in one stage only, so that two stages mean two pairs of eyes. Who counts
 * where does not depend on the order of the votes: whoever fits several stages takes the one where they are needed.
 */
function firstOpenStage(
  stages: readonly Stage[],
  approvals: readonly Vote[],
): { stage: number; missing: number } | null {
  const seated = new Map<Vote, Stage>()
  for (const [index, stage] of stages.entries()) {
    for (let seat = 0; seat < stage.quorum; seat++) {
      if (!fillSeat(stage, approvals, seated, new Set()))
        return { stage: index, missing: stage.quorum - seat }
    }
  }
  return null
}

/** Kuhn's algorithm: takes a free vote, or one whose seat another vote can take. Filled seats stay filled. */
function fillSeat(
  stage: Stage,
  approvals: readonly Vote[],
  seated: Map<Vote, Stage>,
  tried: Set<Vote>,
): boolean {
  for (const vote of approvals) {
    if (tried.has(vote) || !fits(stage, vote)) continue
    tried.add(vote)
    const current = seated.get(vote)
    if (current && !fillSeat(current, approvals, seated, tried)) continue
    seated.set(vote, stage)
    return true
  }
  return false
}

export function fits(
  stage: Pick<Stage, 'roles' | 'people'>,
  voter: Pick<Vote, 'principal' | 'roles'>,
): boolean {
  return stage.people.includes(voter.principal) || voter.roles.some((role) => stage.roles.includes(role))
}

function firstVotes(votes: readonly Vote[]): Vote[] {
  return votes.filter(
    (vote, index) => votes.findIndex((other) => other.principal === vote.principal) === index,
  )
}

function latest(votes: readonly Vote[]): string {
  return votes.reduce((last, vote) => (vote.at > last ? vote.at : last), '')
}
