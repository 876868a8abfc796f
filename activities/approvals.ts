/**
 * What an approval workflow needs of the outside: the ledger's word on what is to be approved, who a message is from,
 * and the records of what was decided. All of it may be repeated; nothing of it is a write to somebody else's system.
 */
import { inTransaction, type Queryable } from '../db/database.ts'
import {
  closeApproval,
  findApproval,
  insertApproval,
  insertDecision,
  listDecisions,
  updateApproval,
  type ApprovalRow,
} from '../db/queries/approvals.ts'
import { loadPrincipals } from '../db/queries/principals.ts'
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { sha256Hex } from '../lib/canonical-json.ts'
import { signEnvelope } from '../lib/dsse.ts'
import { ineligibility, judge } from '../lib/quorum.ts'
import { DECISION_PAYLOAD_TYPE, EnvelopeSchema, type Decision } from '../schemas/decision.ts'
import { CodedError, type ErrorCode } from '../schemas/errors.ts'
import { approvalWorkflowId, isApprovalOf } from '../schemas/names.ts'
import type {
  DecisionMessage,
  Envelope,
  PendingWrite,
  Recorded,
  Requirement,
  ResolvedDecision,
  Vote,
} from '../schemas/run.ts'
import { assertSomebodyCanApprove } from './candidates.ts'
import { openDecision, standingJudgement, toVote, votesOf, whyUnverified } from './decisions.ts'
import { requireWriteback } from './ledger.ts'
import type { DoorDeps } from './door.ts'
import { assertCaller } from './origin.ts'
import { issueReceipt } from './receipts.ts'

export interface ApprovalKey {
  organization: string
  approvalId: string
  writebackId: string
}

export interface OpenedApproval {
  /** From the ledger: whoever can start workflows can hand this one anything. */
  pending: PendingWrite
  /** Whether this deployment takes people at their word. */
  identity: 'verified' | 'asserted'
  /** What people have decided before, as far as it counts: an older Temporal has forgotten that they have. */
  recorded: DecisionMessage[]
}

/**
 * Puts the approval into the inbox. What people say will go to the workflow whose id follows from the approval, so only
 * that one may open it, and only under an id that follows from the write. Throws UNKNOWN_ORIGIN, NO_ELIGIBLE_APPROVER,
 * WAIT_OVER.
 */
export async function openApproval(
  deps: DoorDeps,
  params: ApprovalKey & { digest: string; expiresAt: string },
  caller: string,
): Promise<OpenedApproval> {
  const { organization, approvalId, writebackId } = params
  const workflowId = assertApprovalCalls(params, caller)
  if (!isApprovalOf(params))
    throw new CodedError('UNKNOWN_ORIGIN', `${JSON.stringify(approvalId)} is no approval of ${writebackId}`)
  const row = await requireWriteback(deps, organization, writebackId)
  if (row.digest !== params.digest || !row.requirement) {
    throw new CodedError(
      'UNKNOWN_ORIGIN',
      `${writebackId} is not waiting for approval of ${params.digest.slice(0, 12)}`,
    )
  }
  const { digest, requirement, requester, preview } = row
  await assertSomebodyCanApprove(deps, organization, requirement, requester)
  const { isWanted, recorded } = await insertApproval(deps.database, {
    approval_id: approvalId,
    organization,
    writeback_id: writebackId,
    workflow_id: workflowId,
    run_id: row.run_id,
    automation: row.automation,
    digest,
    requirement,
    requester,
    preview,
    expires_at: params.expiresAt,
  })
  if (!isWanted) throw new CodedError('WAIT_OVER', `${writebackId} is over`)
  return {
    pending: { writebackId, digest, requirement, requester, preview },
    identity: deps.trust.identity,
    recorded: await standingDecisions(deps, { ...row, requirement }, recorded),
  }
}

/** Of what was recorded before: a lapsed approval counts no more, nor does what somebody says who has lost the role. */
async function standingDecisions(
  deps: DoorDeps,
  row: WritebackRow & { requirement: Requirement },
  recorded: readonly Envelope[],
): Promise<DecisionMessage[]> {
  const about = { organization: row.organization, writebackId: row.writeback_id, digest: row.digest }
  const cast = await votesOf(deps, about, recorded)
  const votes = cast.map(({ vote }) => vote)
  const { counted } = standingJudgement(row.requirement, row.requester, votes, deps.nowMs())
  const standing = cast.filter(({ vote }) => counted.includes(vote))
  return standing.map(({ vote, envelope }) => ({ verdict: vote.verdict, ticket: envelope }))
}

/** Gives the id of the workflow that an approval has. Throws UNKNOWN_ORIGIN if another one calls. */
export function assertApprovalCalls(
  approval: { organization: string; approvalId: string },
  caller: string,
): string {
  const workflowId = approvalWorkflowId(approval)
  assertCaller(`approval ${JSON.stringify(approval.approvalId)}`, caller, [workflowId])
  return workflowId
}

/** `position`: which message of its workflow this is, so that a repeated look gives the same decision its same id. */
export async function resolveDecision(
  deps: DoorDeps,
  params: ApprovalKey & { digest: string; message: DecisionMessage; position: number },
): Promise<ResolvedDecision> {
  const { message } = params
  if (message.ticket) return resolveTicket(deps, params, message.ticket)
  if (message.asserted && deps.trust.identity === 'asserted')
    return resolveAsserted(deps, params, message.asserted)
  return refused('UNVERIFIED', 'a decision needs a signed ticket: countersign approve … --ticket prints one')
}

async function resolveTicket(
  deps: DoorDeps,
  params: ApprovalKey & { message: DecisionMessage },
  ticket: Envelope,
): Promise<ResolvedDecision> {
  const envelope = EnvelopeSchema.safeParse(ticket)
  const decision = envelope.success ? openDecision(envelope.data, deps.trust, deps.nowMs()) : null
  if (!envelope.success || !decision) return refused('UNVERIFIED', whyUnverified(ticket, deps.trust))
  if (decision.organization !== params.organization || decision.writebackId !== params.writebackId) {
    return refused('STALE_DIGEST', `the ticket is about ${decision.writebackId}`)
  }
  if (decision.verdict !== params.message.verdict) {
    return refused('UNVERIFIED', `the ticket says ${decision.verdict}, the message ${params.message.verdict}`)
  }
  return asVote(deps, decision, envelope.data)
}

/** Somebody's word, signed by the worker as just that; any policy may still ask for more. */
async function resolveAsserted(
  deps: DoorDeps,
  params: ApprovalKey & { digest: string; message: DecisionMessage; position: number },
  asserted: NonNullable<DecisionMessage['asserted']>,
): Promise<ResolvedDecision> {
  const { organization, approvalId, writebackId, message, position } = params
  const [person] = await loadPrincipals(deps.database, { organization, ids: [asserted.by] })
  const decision: Decision = {
    decisionId: `dec_${sha256Hex(`${organization}/${approvalId}/${position}`).slice(0, 32)}`,
    organization,
    writebackId,
    digest: asserted.digest ?? params.digest,
    verdict: message.verdict,
    principal: asserted.by,
    roles: person?.roles ?? [],
    method: 'asserted',
    channel: 'signal',
    at: new Date(deps.nowMs()).toISOString(),
    comment: asserted.comment ?? '',
  }
  return asVote(deps, decision, signEnvelope(DECISION_PAYLOAD_TYPE, decision, deps.signingKey))
}

async function asVote(deps: DoorDeps, decision: Decision, envelope: Envelope): Promise<ResolvedDecision> {
  const [person] = await loadPrincipals(deps.database, {
    organization: decision.organization,
    ids: [decision.principal],
  })
  if (!person) return refused('NOT_ELIGIBLE', `${decision.principal} is not known here`)
  return { kind: 'vote', vote: toVote(decision, person), envelope }
}

/**
 * Keeps a decision that counts, with its receipt, and shows it in the inbox. Whoever can start workflows can call this
 * with anything, and what is signed as a receipt here must be true: so everything is verified once more, and of `votes`
 * only counts which decisions are named. What has become of the approval follows from them, and from the roles of this
 * moment; it is told to the approval, so that both say the same.
 */
export async function recordDecision(
  deps: DoorDeps,
  params: ApprovalKey & { envelope: Envelope; votes: Pick<Vote, 'decisionId'>[] },
): Promise<Recorded> {
  const { organization, approvalId, writebackId, envelope } = params
  const decision = openDecision(envelope, deps.trust, deps.nowMs())
  if (!decision || decision.writebackId !== writebackId || decision.organization !== organization) {
    throw new CodedError(
      'UNVERIFIED',
      `what was to be recorded for ${writebackId} is not a decision about it`,
    )
  }
  const approval = await requireApproval(deps, params)
  const { digest, requirement, requester, run_id: runId } = approval
  if (decision.digest !== digest) {
    throw new CodedError('STALE_DIGEST', `the decision is about ${decision.digest.slice(0, 12)}`)
  }
  const about = { organization, writebackId, digest }
  const recorded = await listDecisions(deps.database, about)
  const cast = await votesOf(deps, about, [...recorded, envelope])
  const own = cast.find(({ vote }) => vote.decisionId === decision.decisionId)?.vote
  const why = own ? ineligibility(requirement, requester, own) : 'NOT_ELIGIBLE'
  if (!own || why) throw new CodedError(why ?? 'NOT_ELIGIBLE', `${decision.principal} may not decide this`)
  const named = params.votes.flatMap(({ decisionId }) => {
    const known = cast.find(({ vote }) => vote.decisionId === decisionId)
    return known ? [known.vote] : []
  })
  const votes = named.includes(own) ? named : [...named, own]
  const { state } = judge(requirement, requester, votes)
  await keepDecision(deps, { envelope, runId, approvalId, votes, state })
  return { votes, state }
}

/** The approval in the inbox, if it is about this write. */
async function requireApproval(
  { database }: DoorDeps,
  { organization, approvalId, writebackId }: ApprovalKey,
): Promise<ApprovalRow> {
  const approval = await findApproval(database, { organization, approvalId })
  if (!approval) throw new CodedError('NOT_FOUND', `there is no approval ${approvalId}`)
  if (approval.writeback_id === writebackId) return approval
  throw new CodedError('UNVERIFIED', `approval ${approvalId} is not about ${writebackId}`)
}

/** Of an envelope whose signature the caller has verified, and that it is about this approval. */
export async function keepDecision(
  deps: DoorDeps,
  params: {
    envelope: Envelope
    runId: string
    approvalId: string
    votes: Vote[]
    state: ApprovalRow['state']
  },
): Promise<void> {
  const { envelope, runId, approvalId, state, votes } = params
  const decision = openDecision(envelope, deps.trust, deps.nowMs())
  if (!decision) throw new CodedError('UNVERIFIED', `no door has signed what is to be kept for ${approvalId}`)
  await inTransaction(deps.database, async (tx) => {
    await recordSigned(tx, deps, { decision, envelope, runId })
    await updateApproval(tx, { approvalId, state, votes })
  })
}

/** A decision that counts, and its receipt. Inside the caller's transaction. Throws IDEMPOTENCY_CONFLICT. */
export async function recordSigned(
  tx: Queryable,
  { signingKey, nowMs }: Pick<DoorDeps, 'signingKey' | 'nowMs'>,
  { decision, envelope, runId }: { decision: Decision; envelope: Envelope; runId: string },
): Promise<void> {
  const { organization, writebackId, decisionId, principal, verdict, digest } = decision
  const { method, channel, comment } = decision
  if (!(await insertDecision(tx, { decisionId, organization, writebackId, principal, verdict, envelope })))
    throw new CodedError('IDEMPOTENCY_CONFLICT', `${principal} has decided something else as ${decisionId}`)
  const facts = { writebackId, principal, verdict, method, channel, comment, decision: envelope }
  const content = { organization, runId, kind: 'decision' as const, subject: decisionId, digest, facts }
  await issueReceipt(tx, content, signingKey, nowMs())
}

export async function endApproval(
  { database }: Pick<DoorDeps, 'database'>,
  params: ApprovalKey & { state: 'expired' | 'withdrawn' },
  caller: string,
): Promise<void> {
  assertApprovalCalls(params, caller)
  // Only decisions approve or reject, whoever asks.
  await closeApproval(database, { ...params, state: params.state === 'expired' ? 'expired' : 'withdrawn' })
}

function refused(code: ErrorCode, message: string): ResolvedDecision {
  return { kind: 'refused', code, message }
}
