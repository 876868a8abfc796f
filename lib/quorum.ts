/**
 * Do these votes satisfy this requirement? The one answer to that question, used by the approval workflow when a vote
 * comes in and by the door when the write is applied. Pure; workflow code imports it, so it imports types only.
 */
import type { Requester, Requirement, Stage, Vote } from '../schemas/run.ts'

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
  const open = firstOpenStage(requirement.stages, approvals)
  if (open === null) return { state: 'approved', lastVoteAt: latest(approvals) }
  return { state: 'waiting', ...open }
}

/** Who could still help: the roles and people of the stage that is open. */
export function openStage(
  requirement: Requirement,
  requester: Requester,
  votes: readonly Vote[],
): Stage | null {
  const judgement = judge(requirement, requester, votes)
  return judgement.state === 'waiting' ? (requirement.stages[judgement.stage] ?? null) : null
}

/** Stages are met in order; one person counts in one stage only, so that two stages mean two pairs of eyes. */
function firstOpenStage(
  stages: readonly Stage[],
  approvals: readonly Vote[],
): { stage: number; missing: number } | null {
  const free = [...approvals]
  for (const [index, stage] of stages.entries()) {
    let missing = stage.quorum
    for (let i = 0; i < free.length && missing > 0;) {
      const vote = free[i]
      if (vote && fits(stage, vote)) {
        free.splice(i, 1)
        missing--
      } else i++
    }
    if (missing > 0) return { stage: index, missing }
  }
  return null
}

function fits(stage: Stage, voter: Pick<Vote, 'principal' | 'roles'>): boolean {
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
