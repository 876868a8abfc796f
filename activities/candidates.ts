/** Whether anybody could approve, before somebody is asked. */
import type { Queryable } from '../db/database.ts'
import { listCandidates, type PrincipalRow } from '../db/queries/candidates.ts'
import { judge } from '../lib/quorum.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Requester, Requirement, Vote } from '../schemas/run.ts'

/** If everybody who may decide approved: would that be enough? One person fills one seat, also here. */
export async function assertSomebodyCanApprove(
  deps: { database: Queryable },
  organization: string,
  requirement: Requirement,
  requester: Requester,
): Promise<void> {
  const roles = requirement.stages.flatMap((stage) => stage.roles)
  const people = requirement.stages.flatMap((stage) => stage.people)
  const candidates = await listCandidates(deps.database, { organization, roles, people })
  const best = judge(requirement, requester, candidates.map(asApproval))
  if (best.state !== 'waiting') return
  const stage = requirement.stages[best.stage]
  const wanted = [...(stage?.roles ?? []), ...(stage?.people ?? [])].join(', ')
  throw new CodedError(
    'NO_ELIGIBLE_APPROVER',
    `${best.missing} more needed of: ${wanted} (besides the requester)`,
  )
}

function asApproval({ id, kind, roles }: PrincipalRow): Vote {
  const word = {
    digest: '',
    verdict: 'approve' as const,
    method: 'api_key',
    channel: 'api',
    at: '',
    comment: '',
  }
  return { ...word, decisionId: id, principal: id, kind, roles }
}
