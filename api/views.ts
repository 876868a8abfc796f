/** Rows of the database as the JSON that people see. */
import type { ApprovalRow } from '../db/queries/approvals.ts'
import type { WritebackRow } from '../db/queries/writebacks.ts'
import type {
  ApprovalView,
  RequesterView,
  RequirementView,
  WritebackView,
} from '../schemas/operations/views.ts'
import { judge } from '../lib/quorum.ts'
import { approvalWorkflowId } from '../schemas/names.ts'
import type { Requester, Requirement } from '../schemas/run.ts'
import { workflowUrl, type TemporalAccess } from './temporal.ts'

export function approvalView(
  row: ApprovalRow,
  temporal: TemporalAccess,
  temporalRunId: string | null = null,
): ApprovalView {
  const { workflow_id: _named, requirement, requester, expires_at, created_at, closed_at, ...same } = row
  const { organization, approval_id: approvalId } = row
  const workflowId = approvalWorkflowId({ organization, approvalId })
  return {
    ...same,
    waits_for: waitsFor(row),
    answer: row.votes.find(({ answer }) => answer !== undefined)?.answer ?? null,
    requirement: requirementView(requirement),
    requester: requesterView(requester),
    expires_at: isoTime(expires_at),
    created_at: isoTime(created_at),
    closed_at: closed_at && isoTime(closed_at),
    temporal_workflow_id: workflowId,
    temporal_ui_url: workflowUrl(temporal, workflowId, temporalRunId),
  }
}

function waitsFor({ state, requirement, requester, votes }: ApprovalRow): ApprovalView['waits_for'] {
  if (state !== 'waiting') return null
  const judgement = judge(requirement, requester, votes)
  const open = judgement.state === 'waiting' ? requirement.stages[judgement.stage] : undefined
  if (judgement.state !== 'waiting' || open === undefined) return null
  const { roles, people } = open
  const stages = requirement.stages.length
  return { stage: judgement.stage + 1, stages, missing: judgement.missing, roles, people }
}

export function writebackView(row: WritebackRow): WritebackView {
  const { requester, requirement, outcome, deadline_at, created_at, ...same } = row
  return {
    ...same,
    requester: requesterView(requester),
    requirement: requirement && requirementView(requirement),
    deadline_at: deadline_at && isoTime(deadline_at),
    created_at: isoTime(created_at),
    outcome: outcome && {
      status: outcome.status,
      output: outcome.output,
      code: outcome.code ?? null,
      message: outcome.message ?? null,
      receipt: outcome.receipt,
    },
  }
}

export function requesterView({ principal, kind, onBehalfOf }: Requester): RequesterView {
  return { principal, kind, on_behalf_of: onBehalfOf }
}

function requirementView(requirement: Requirement): RequirementView {
  const { policy, rule, stages, anyRejectEnds, selfApproval, identity, expiresAfterMs, validForMs } =
    requirement
  return {
    policy,
    rule,
    stages,
    any_reject_ends: anyRejectEnds,
    self_approval: selfApproval,
    identity,
    expires_after_ms: expiresAfterMs,
    valid_for_ms: validForMs,
  }
}

/** ISO 8601 in UTC with milliseconds, from a Date or from PostgreSQL's own JSON form. */
export function isoTime(time: Date | string): string {
  return new Date(time).toISOString()
}
