/** Handlers: approvals. Which decisions count is not said here but in the approval workflow. */
import { z } from 'zod'
import { findApproval, findApprovalPosition, listApprovals } from '../../db/queries/approvals.ts'
import type { Database } from '../../db/database.ts'
import type { JsonValue } from '../../lib/json.ts'
import { CodedError } from '../../schemas/errors.ts'
import { approvalWorkflowId } from '../../schemas/names.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import type { DecisionAnswer } from '../../schemas/run.ts'
import { sendDecision, signDecision, signalOf, type DecisionRequest } from '../decisions.ts'
import type { ApiDeps } from '../deps.ts'
import { badCursor, openList } from '../pages.ts'
import { signalCommand, temporalRunIdOf } from '../temporal.ts'
import { approvalView } from '../views.ts'
import { implement } from './implement.ts'

const list = implement(OPERATIONS.listApprovals, async ({ database, temporal }, { query, principal }) => {
  const { organization } = principal
  const list = openList('approvals', query, z.string())
  const { rows, isCut } = await listApprovals(database, {
    ...query,
    organization,
    state: query.state === 'all' ? undefined : query.state,
    runId: query.run_id,
    limit: list.limit,
    after: await positionAfter(database, organization, list.after),
  })
  return list.page(rows, {
    item: (row) => approvalView(row, temporal),
    position: ({ approval_id }) => approval_id,
    isCut,
  })
})

const get = implement(OPERATIONS.getApproval, async ({ database, temporal }, { params, principal }) => {
  const { organization } = principal
  const row = await findApproval(database, { organization, approvalId: params.approval_id })
  if (!row) throw new CodedError('NOT_FOUND', `There is no approval ${params.approval_id}.`)
  const workflowId = approvalWorkflowId({ organization, approvalId: row.approval_id })
  return approvalView(row, temporal, await temporalRunIdOf(temporal, workflowId))
})

const decide = implement(OPERATIONS.decideApproval, async (deps, request) => {
  const { principal, idempotencyKey, params, body } = request
  const approvalId = params.approval_id
  return send(deps, request, { ...body, principal, idempotencyKey, approvalId })
})

const answer = implement(OPERATIONS.answerAsk, async (deps, request) => {
  const { principal, idempotencyKey, params, body } = request
  const approvalId = params.approval_id
  const given = { ...body, answer: body.answer as JsonValue, verdict: 'approve' as const }
  return send(deps, request, { ...given, principal, idempotencyKey, approvalId })
})

const RECORDED = 'Your decision is recorded. It counts as soon as a worker looks at it.'
const LATE = 'The wait is over. Your rejection is kept, and stops the write unless that was sent already.'

async function send(
  deps: ApiDeps,
  { useAlternative }: { useAlternative: () => void },
  decision: DecisionRequest,
): Promise<{ decision_id: string; state: DecisionAnswer['state'] | 'recorded'; message: string }> {
  const signed = await signDecision(deps, decision)
  const result = await sendDecision(deps, signed)
  const decision_id = signed.decisionId
  if (result.kind === 'recorded') {
    useAlternative()
    return { decision_id, state: 'recorded', message: result.isLate ? LATE : RECORDED }
  }
  const { state, message } = result
  return { decision_id, state, message }
}

const ticket = implement(OPERATIONS.createTicket, async (deps, request) => {
  const { principal, idempotencyKey, params, body } = request
  const approvalId = params.approval_id
  const signed = await signDecision(deps, { ...body, principal, idempotencyKey, approvalId })
  const { workflowId, message } = signed
  const signal = signalOf(body.verdict)
  const input = { ticket: message.ticket }
  const command = signalCommand(deps.temporal, { workflowId, signal, input })
  return { workflow_id: workflowId, signal, input, command }
})

async function positionAfter(database: Database, organization: string, approvalId: string | undefined) {
  if (approvalId === undefined) return undefined
  const found = await findApprovalPosition(database, { organization, approvalId })
  if (!found) throw badCursor('what it points to is no longer kept')
  return found
}

export const approvalOperations = [list, get, decide, answer, ticket]
