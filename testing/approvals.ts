/** What people decide in a test, judged by the code that judges real decisions. */
import { durationMs } from '../schemas/common.ts'
import type { DecisionFixture } from '../schemas/automation-tests.ts'
import type { PendingWrite, Requester, Requirement, Vote } from '../schemas/run.ts'
import { createApprovalState, decide, type ApprovalState } from '../workflows/decide.ts'

export interface Approval {
  /** `waiting`: the test leaves it undecided. */
  status: 'approved' | 'rejected' | 'expired' | 'waiting'
  /** When it ended. */
  atMs: number
  message: string
  /** The votes that did not count. */
  refused: readonly { code: string; message: string }[]
}

interface Asked {
  writebackId: string
  requirement: Requirement
  requester: Requester
}

const DIGEST = '0'.repeat(64)

export function playApproval(asked: Asked, decisions: readonly DecisionFixture[], nowMs: number): Approval {
  const expiresAtMs = nowMs + asked.requirement.expiresAfterMs
  let state = createApprovalState(pendingOf(asked), expiresAtMs)
  let atMs = nowMs
  for (const [index, decision] of decisions.entries()) {
    if (decision.verdict === 'expire') atMs = expiresAtMs
    else atMs += durationMs(decision.after)
    if (atMs >= expiresAtMs) return ended(state, 'expired', expiresAtMs, 'nobody decided in time')
    for (const vote of votesOf(asked.requirement, decision, { index, atMs }))
      state = decide(state, vote, atMs).state
    if (state.status !== 'waiting') break
  }
  const { status } = state
  if (status === 'approved') return ended(state, status, atMs, 'approved')
  if (status === 'rejected') return ended(state, status, atMs, rejection(state))
  return ended(state, 'waiting', atMs, 'undecided')
}

function ended(state: ApprovalState, status: Approval['status'], atMs: number, message: string): Approval {
  return { status, atMs, message, refused: state.refusals }
}

function rejection({ votes }: ApprovalState): string {
  const by = votes.find(({ verdict }) => verdict === 'reject')
  return `${by?.principal ?? 'somebody'} rejected it${by?.comment ? `: ${by.comment}` : ''}`
}

function pendingOf({ writebackId, requirement, requester }: Asked): PendingWrite {
  const preview = {
    executor: '',
    connection: '',
    operation: '',
    target: '',
    changes: [],
    guard: 'none' as const,
  }
  return { writebackId, digest: DIGEST, requirement, requester, preview }
}

/** Without a name, as many people as it takes, each with what it takes. */
function votesOf(
  requirement: Requirement,
  decision: DecisionFixture,
  { index, atMs }: { index: number; atMs: number },
): Vote[] {
  if (decision.verdict === 'expire') return []
  const { verdict, by, roles } = decision
  const seats = requirement.stages.flatMap((stage) => Array.from({ length: stage.quorum }, () => stage))
  const people = seats.map((stage, seat) => ({
    principal: stage.people[seat] ?? stage.people[0] ?? `approver-${index + 1}-${seat + 1}@example.org`,
    roles: stage.roles,
  }))
  const voters =
    by === undefined ? (verdict === 'reject' ? people.slice(0, 1) : people) : [{ principal: by, roles }]
  return voters.map(({ principal, roles: held }, seat) => ({
    decisionId: `${index}.${seat}`,
    digest: DIGEST,
    verdict,
    principal,
    kind: 'person',
    roles: held,
    method: 'test',
    channel: 'test',
    at: new Date(atMs).toISOString(),
    comment: decision.comment,
  }))
}
