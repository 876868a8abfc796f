/**
 * Why somebody may not decide, in words. Said by the API before anything is kept or sent, and by whoever judges: the
 * approval workflow of decisions, the ledger of resolutions. Pure; workflow code imports it.
 */
import { OPERATOR_ROLE } from '../schemas/names.ts'
import type { Requester, Requirement, Vote } from '../schemas/run.ts'
import { fits, ineligibility, judge } from './quorum.ts'

export interface Objection {
  code: 'SELF_APPROVAL' | 'NOT_ELIGIBLE' | 'ALREADY_VOTED' | 'NOT_THEIR_TURN'
  message: string
}

type Voter = Pick<Vote, 'principal' | 'kind' | 'roles' | 'method'>

interface Asked {
  requirement: Requirement
  requester: Requester
}

/** Null if this person's vote counts beside those that were cast before. */
export function objectionToVoter(
  { requirement, requester }: Asked,
  votes: readonly Pick<Vote, 'principal' | 'verdict' | 'at'>[],
  voter: Voter,
): Objection | null {
  const why = ineligibility(requirement, requester, voter)
  if (why === 'SELF_APPROVAL') return { code: why, message: `${voter.principal} asked for this write` }
  if (why === 'NOT_ELIGIBLE') {
    const message = `needed: ${wanted(requirement).join(', ')}; ${voter.principal} is ${named(voter)}`
    return { code: why, message }
  }
  const before = votes.find((known) => known.principal === voter.principal)
  if (before)
    return { code: 'ALREADY_VOTED', message: `${voter.principal} said ${before.verdict} at ${before.at}` }
  return null
}

/**
 * Null unless an approval would count for a later stage than the one that is open: stages are asked one after the other,
 * and whoever is asked last is to see that the others have agreed. A rejection needs no turn.
 */
export function objectionToTurn(
  { requirement, requester }: Asked,
  votes: readonly Vote[],
  vote: Vote,
): Objection | null {
  if (vote.verdict === 'reject') return null
  const before = judge(requirement, requester, votes)
  const after = judge(requirement, requester, [...votes, vote])
  if (before.state !== 'waiting' || after.state !== 'waiting') return null
  const isFurther = after.stage !== before.stage || after.missing !== before.missing
  const later = requirement.stages.slice(before.stage + 1)
  if (isFurther || !later.some((stage) => fits(stage, vote))) return null
  const first = wanted({ ...requirement, stages: requirement.stages.slice(before.stage, before.stage + 1) })
  return { code: 'NOT_THEIR_TURN', message: `first ${before.missing} of ${first.join(', ')} must approve` }
}

/** Null for whoever may approve the write, or is an operator; one person is enough, whatever the quorum. */
export function objectionToResolver(
  { requirement, requester }: { requirement: Requirement | null; requester: Requester },
  person: Voter,
): Objection | null {
  const resolvers = resolversOf(requirement)
  const code = ineligibility(resolvers, requester, person)
  if (code === null) return null
  if (code === 'SELF_APPROVAL') return { code, message: `${person.principal} asked for this write` }
  return { code, message: `needed: a person who is ${wanted(resolvers).join(' or ')}` }
}

/** What nobody had to approve, its own requester may resolve too, as an operator. */
function resolversOf(requirement: Requirement | null): Requirement {
  const operators = { roles: [OPERATOR_ROLE], people: [], quorum: 1 }
  if (requirement) return { ...requirement, stages: [...requirement.stages, operators] }
  return {
    policy: '(built in)',
    rule: 'operators-resolve',
    stages: [operators],
    anyRejectEnds: true,
    selfApproval: true,
    identity: 'verified',
    expiresAfterMs: 0,
    validForMs: 0,
  }
}

/** Names of roles and people, each once. */
export function wanted({ stages }: Requirement): string[] {
  return [...new Set(stages.flatMap(({ roles, people }) => [...roles, ...people]))]
}

function named({ roles, kind }: Voter): string {
  return roles.length > 0 ? roles.join(', ') : `a ${kind} without roles`
}
