/**
 * Decisions on their way from a person to the approval workflow. Here they are signed, for here the person was
 * authenticated, and kept before they are sent, so that no rejection can be lost. Where they are sent follows from the
 * approval; whether they count is said by the ledger, for a workflow may not be ours.
 */
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import {
  findApprovalAndWrite,
  findCountedState,
  findDecision,
  keepGivenDecision,
  type ApprovalRow,
} from '../db/queries/approvals.ts'
import { findWriteback, writeFactsOf, type WritebackRow } from '../db/queries/writebacks.ts'
import { askDigest } from '../lib/ask-digest.ts'
import { canonicalJson, digestOf } from '../lib/canonical-json.ts'
import { objectionToTurn, objectionToVoter } from '../lib/eligibility.ts'
import type { JsonValue } from '../lib/json.ts'
import { signEnvelope } from '../lib/dsse.ts'
import { writeDigest } from '../lib/write-digest.ts'
import { DECISION_PAYLOAD_TYPE, type Decision } from '../schemas/decision.ts'
import { CodedError, isErrorCode, type ErrorCode } from '../schemas/errors.ts'
import { approvalWorkflowId, MESSAGES } from '../schemas/names.ts'
import type { DecisionAnswer, DecisionMessage, Question, Verdict } from '../schemas/run.ts'
import { assertFitsForm, assertFitsKind } from './answers.ts'
import type { ApiDeps } from './deps.ts'
import { newId } from './ids.ts'
import type { Principal } from './plugins/authentication.ts'
import { isTemporalAway, isUpdateDropped, withPatience } from './temporal.ts'

export interface DecisionRequest {
  principal: Principal
  approvalId: string
  verdict: Verdict
  digest: string
  comment: string
  /** To a question. */
  answer?: JsonValue
  channel: Decision['channel']
  idempotencyKey: string | undefined
}

export interface SignedDecision {
  approval: ApprovalRow
  /** Where it goes. */
  workflowId: string
  decisionId: string
  principal: Principal
  message: DecisionMessage & Required<Pick<DecisionMessage, 'ticket'>>
}

/** What came of it; `recorded` if nobody has judged it yet, though it is kept. `isLate`: its approval was decided before. */
export type DecisionResult =
  { kind: 'counted'; state: DecisionAnswer['state']; message: string } | { kind: 'recorded'; isLate?: true }

/** How long somebody who clicked waits for a worker before the decision is left as a signal. */
const UPDATE_PATIENCE_MS = 3_000

/** Throws NOT_FOUND, STALE_DIGEST, INVALID_ANSWER, INVALID_INPUT, IDEMPOTENCY_CONFLICT. */
export async function signDecision(deps: ApiDeps, request: DecisionRequest): Promise<SignedDecision> {
  const { principal, approvalId, verdict, digest, comment, channel, answer } = request
  const { organization } = principal
  const found = await findApprovalAndWrite(deps.database, { organization, approvalId })
  if (!found) throw new CodedError('NOT_FOUND', `There is no approval ${approvalId}.`)
  const { approval, write } = found
  if (approval.digest !== digest) {
    throw new CodedError('STALE_DIGEST', `What waits now has the digest ${approval.digest}.`)
  }
  assertFitsKind(approval, answer)
  assertShownIsTrue(approval, write)
  await assertFitsForm(approval, answer)
  const decisionId = await decisionIdOf(deps, request)
  const decision: Decision = {
    decisionId,
    organization,
    writebackId: approval.writeback_id,
    digest,
    verdict,
    principal: principal.id,
    roles: principal.roles,
    method: 'api_key',
    channel,
    at: new Date().toISOString(),
    comment,
    ...(answer === undefined ? {} : { answer }),
  }
  const ticket = signEnvelope(DECISION_PAYLOAD_TYPE, decision, deps.signingKey)
  const workflowId = approvalWorkflowId({ organization, approvalId })
  return { approval, workflowId, decisionId, principal, message: { verdict, ticket } }
}

/**
 * Nobody signs for something else than they saw: the inbox must show what the ledger has, and the ledger must fit its
 * own digest. The door looks again; here it keeps a person from being deceived.
 */
function assertShownIsTrue(approval: ApprovalRow, row: WritebackRow | null): void {
  const { digest, preview, requester } = approval
  if (approval.question) return assertQuestionFits(approval, approval.question)
  const shown = row && canonicalJson([preview, requester]) === canonicalJson([row.preview, row.requester])
  if (shown && row.digest === digest && writeDigest(writeFactsOf(row)) === digest) return
  throw new CodedError(
    'STALE_DIGEST',
    `What is shown of ${approval.approval_id} is not what would be written.`,
  )
}

/** A question that was changed in the inbox no longer fits its digest. Whom it may ask is looked at behind the door. */
function assertQuestionFits(approval: ApprovalRow, question: Question): void {
  const { organization, approval_id: askId, run_id: runId, requirement, requester, digest } = approval
  if (askDigest({ organization, askId, runId, question, requirement, requester }) === digest) return
  throw new CodedError('STALE_DIGEST', `What is shown of ${askId} is not what was asked.`)
}

/** What counts is told as the ledger has it, for that is what the door goes by. Throws what the workflow refuses it with. */
export async function sendDecision(deps: ApiDeps, signed: SignedDecision): Promise<DecisionResult> {
  await assertMayVote(deps, signed)
  const kept = await keepGiven(deps, signed)
  try {
    const answer = await deliver(deps, kept)
    if (answer === null) return { kind: 'recorded' }
    const state = await countedState(deps, kept)
    if (state === undefined) return { kind: 'recorded' }
    return { kind: 'counted', state, message: state === answer.state ? answer.message : state }
  } catch (error) {
    if (!(error instanceof CodedError) || !TOO_LATE.includes(error.code)) throw error
    // The wait may have been ended by this very decision, and only the answer was lost.
    const state = await countedState(deps, kept)
    if (state !== undefined) return { kind: 'counted', state, message: state }
    if (await mayStopWrite(deps, kept)) return { kind: 'recorded', isLate: true }
    throw error
  }
}

const TOO_LATE: readonly ErrorCode[] = ['ALREADY_DECIDED', 'WAIT_OVER']

/**
 * A rejection that came too late for its approval still stops a write that was not sent yet, for the door finds it kept.
 * So nobody is told that it does not count while it may.
 */
async function mayStopWrite({ database }: ApiDeps, signed: SignedDecision): Promise<boolean> {
  const { approval, message } = signed
  if (message.verdict !== 'reject' || objectionTo(signed, [])) return false
  const { organization, writeback_id: writebackId, digest } = approval
  const write = await findWriteback(database, { organization, writebackId })
  return write?.state === 'planned' && write.digest === digest
}

/**
 * What is known to be refused is neither kept nor sent: it would cost the workflow a look, of which it has only so many,
 * and everybody decides there. The workflow stays the judge.
 */
async function assertMayVote(deps: ApiDeps, signed: SignedDecision): Promise<void> {
  const { approval } = signed
  if (approval.state !== 'waiting') return
  const objection = objectionTo(signed, approval.votes) ?? turnOf(signed)
  if (!objection) return
  // The same decision once more is told what it was told.
  if (objection.code === 'ALREADY_VOTED' && (await countedState(deps, signed)) !== undefined) return
  throw new CodedError(objection.code, objection.message)
}

function objectionTo({ approval, principal }: SignedDecision, votes: ApprovalRow['votes']) {
  const { id, kind, roles } = principal
  return objectionToVoter(approval, votes, { principal: id, kind, roles, method: 'api_key' })
}

/** By the roles that the key has now, which are those of the vote. */
function turnOf({ approval, principal, message }: SignedDecision) {
  const { id, kind, roles } = principal
  const vote = { ...NO_VOTE, principal: id, kind, roles, verdict: message.verdict }
  return objectionToTurn(approval, approval.votes, vote)
}

/** Of a vote that is looked at before it is cast. */
const NO_VOTE = {
  decisionId: '',
  digest: '',
  method: 'api_key',
  channel: 'api',
  at: '',
  comment: '',
} as const

/** What was kept first under this id is what is sent, however often. Throws IDEMPOTENCY_CONFLICT. */
async function keepGiven({ database }: ApiDeps, signed: SignedDecision): Promise<SignedDecision> {
  const { approval, decisionId, principal, message } = signed
  const { organization, writeback_id: writebackId } = approval
  const { verdict, ticket: envelope } = message
  const given = { decisionId, organization, writebackId, principal: principal.id, verdict, envelope }
  const kept = await keepGivenDecision(database, given)
  if (kept.verdict !== verdict) throw otherVerdict(kept.verdict)
  return { ...signed, message: { verdict, ticket: kept.envelope } }
}

/** Undefined if no approval has recorded the decision. */
function countedState({ database }: ApiDeps, { approval, decisionId }: SignedDecision) {
  const { organization, approval_id: approvalId } = approval
  return findCountedState(database, { organization, decisionId, approvalId })
}

/**
 * An update first, because it answers. If no worker takes it in time, or Temporal drops it, the same decision goes as a
 * signal, which needs none: a click is never lost. Both arriving is harmless, for they carry one decision id. Null: it
 * was left as a signal.
 */
async function deliver(deps: ApiDeps, signed: SignedDecision): Promise<DecisionAnswer | null> {
  const { approval, workflowId, decisionId, message } = signed
  const handle = deps.temporal.client.workflow.getHandle(workflowId)
  try {
    const answer = await withPatience(
      deps.temporal,
      () =>
        handle.executeUpdate<DecisionAnswer, [DecisionMessage]>(MESSAGES.decideUpdate, {
          args: [message],
          updateId: decisionId,
        }),
      UPDATE_PATIENCE_MS,
    )
    if (answer.accepted) return answer
    throw new CodedError(answer.code ?? 'NOT_ELIGIBLE', answer.message)
  } catch (error) {
    if (!isTemporalAway(error) && !isUpdateDropped(error)) throw refusedUpdate(error, approval)
  }
  await leaveAsSignal(deps, handle, signed)
  return null
}

async function leaveAsSignal(
  deps: ApiDeps,
  handle: WorkflowHandle,
  { approval, message }: SignedDecision,
): Promise<void> {
  try {
    await withPatience(deps.temporal, () =>
      handle.signal<[DecisionMessage]>(signalOf(message.verdict), message),
    )
  } catch (error) {
    throw refusedUpdate(error, approval)
  }
}

export function signalOf(verdict: Verdict): 'approve' | 'reject' {
  return verdict === 'approve' ? MESSAGES.approveSignal : MESSAGES.rejectSignal
}

/** The wait is over, or the workflow threw one of our codes; anything else is passed on as it is. */
function refusedUpdate(error: unknown, approval: ApprovalRow): unknown {
  if (error instanceof WorkflowNotFoundError) return waitOver(approval)
  if (!(error instanceof WorkflowUpdateFailedError)) return error
  const { cause } = error
  if (!(cause instanceof ApplicationFailure)) return error
  // Temporal's own word for an update that a closing workflow no longer answered.
  if (cause.type === 'AcceptedUpdateCompletedWorkflow') return waitOver(approval)
  return isErrorCode(cause.type) ? new CodedError(cause.type, cause.message, { cause: error }) : error
}

function waitOver({ approval_id, state, votes }: ApprovalRow): CodedError {
  const voters = votes.map((vote) => `${vote.principal} (${vote.verdict}, ${vote.channel})`).join(', ')
  const became = state === 'waiting' ? 'its workflow is closed' : `it is ${state}`
  return new CodedError('WAIT_OVER', `Approval ${approval_id}: ${became}${voters && `; votes: ${voters}`}.`)
}

/**
 * From the caller's key, so that a request that is sent again is the same decision; else by chance. An answer that was
 * corrected, and a decision about what waits by now, are others.
 */
async function decisionIdOf(deps: ApiDeps, request: DecisionRequest): Promise<string> {
  const { principal, approvalId, idempotencyKey, verdict, digest, answer } = request
  if (idempotencyKey === undefined) return newId('dec')
  const { organization } = principal
  const identity = [organization, principal.id, idempotencyKey, approvalId, digest, answer ?? null]
  const decisionId = `dec_${digestOf(identity).slice(0, 32)}`
  const known = await findDecision(deps.database, { organization, decisionId })
  if (known && known.verdict !== verdict) throw otherVerdict(known.verdict)
  return decisionId
}

function otherVerdict(verdict: Verdict): CodedError {
  return new CodedError('IDEMPOTENCY_CONFLICT', `The key belongs to a decision to ${verdict}.`)
}
