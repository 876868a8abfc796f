/**
 * Questions of automations to people. Whom to ask, and the form of the answer, come from the revision that the run is
 * pinned to; who asks comes from its delivery. Of what the workflow says only title and text are taken, which the run
 * has made of its own values: they are part of the digest that an answer names.
 *
 * An answer is a decision, signed by the door that authenticated the person. It is verified when it comes in, when it is
 * recorded, and once more when the run takes it: the result of a workflow is nobody's word.
 */
import { insertApproval } from '../db/queries/approvals.ts'
import { loadOrigin } from '../db/queries/deliveries.ts'
import { loadPrincipals } from '../db/queries/principals.ts'
import { misfit, tooLong } from '../lib/answer-form.ts'
import { askDigest } from '../lib/ask-digest.ts'
import { askRequirement } from '../lib/ask-requirement.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { ineligibility } from '../lib/quorum.ts'
import { assertStorable } from '../lib/storable.ts'
import { EnvelopeSchema } from '../schemas/decision.ts'
import { CodedError, type ErrorCode } from '../schemas/errors.ts'
import type {
  Asking,
  DecisionMessage,
  Envelope,
  PendingWrite,
  Recorded,
  ResolvedDecision,
  Vote,
} from '../schemas/run.ts'
import { assertApprovalCalls, keepDecision, type OpenedApproval } from './approvals.ts'
import { assertSomebodyCanApprove } from './candidates.ts'
import { openDecision, toVote, whyUnverified } from './decisions.ts'
import type { DoorDeps } from './door.ts'
import { verifyAskOrigin } from './origin.ts'

/** Puts the question into the inbox. Throws UNKNOWN_ORIGIN, NO_ELIGIBLE_APPROVER, INVALID_ARGUMENTS. */
export async function openAsk(
  deps: DoorDeps,
  { asking, expiresAt }: { asking: Asking; expiresAt: string },
  caller: string,
): Promise<OpenedApproval> {
  assertStorable({ title: asking.title, markdown: asking.markdown }, 'ask')
  const pending = await pendingOf(deps, asking)
  const { organization, origin } = asking
  const { digest, requirement, requester, preview, writebackId, question } = pending
  const workflowId = assertApprovalCalls({ organization, approvalId: writebackId }, caller)
  await assertSomebodyCanApprove(deps, organization, requirement, requester)
  const { recorded } = await insertApproval(deps.database, {
    approval_id: writebackId,
    organization,
    writeback_id: writebackId,
    workflow_id: workflowId,
    run_id: origin.runId,
    automation: origin.automation,
    digest,
    requirement,
    requester,
    preview,
    ...(question && { question }),
    expires_at: expiresAt,
  })
  // A question takes nobody at their word.
  // Each is verified when it comes in, like one that comes from a person.
  const answers = recorded.map((ticket) => ({ verdict: 'approve' as const, ticket }))
  return { pending, identity: 'verified', recorded: answers }
}

/** The question as our own records have it. */
async function pendingOf({ database }: DoorDeps, asking: Asking): Promise<PendingWrite> {
  const { organization, origin, title, markdown } = asking
  const row = await loadOrigin(database, { organization, ...origin })
  const { ask, requester } = verifyAskOrigin(asking, row)
  const requirement = askRequirement(ask, origin)
  const question = { title, markdown, form: ask.form as JsonObject }
  const preview = {
    executor: 'ask',
    connection: '',
    operation: 'ask',
    target: title,
    changes: [],
    guard: 'none' as const,
  }
  const { writebackId, runId } = origin
  const digest = askDigest({ organization, askId: writebackId, runId, question, requirement, requester })
  return { writebackId, digest, requirement, requester, preview, question }
}

/** Whether the answer counts is said by the workflow; whether it is one at all is said here. */
export async function resolveAnswer(
  deps: DoorDeps,
  { asking, message }: { asking: Asking; message: DecisionMessage },
): Promise<ResolvedDecision> {
  if (!message.ticket) return refused('UNVERIFIED', 'an answer needs a signed ticket: use the API or the CLI')
  const opened = await openAnswer(deps, asking, message.ticket)
  return 'code' in opened ? refused(opened.code, opened.message) : { kind: 'vote', ...opened }
}

type Opened = { vote: Vote; envelope: Envelope; pending: PendingWrite } | { code: ErrorCode; message: string }

async function openAnswer(deps: DoorDeps, asking: Asking, ticket: Envelope): Promise<Opened> {
  const { organization } = asking
  const envelope = EnvelopeSchema.safeParse(ticket)
  const decision = envelope.success ? openDecision(envelope.data, deps.trust, deps.nowMs()) : null
  if (!envelope.success || !decision)
    return { code: 'UNVERIFIED', message: whyUnverified(ticket, deps.trust) }
  const pending = await pendingOf(deps, asking)
  if (decision.organization !== organization || decision.writebackId !== pending.writebackId)
    return { code: 'STALE_DIGEST', message: `the ticket is about ${decision.writebackId}` }
  const problem = await answerProblem(decision, pending, organization)
  if (problem !== null) return { code: 'INVALID_ANSWER', message: problem }
  const [person] = await loadPrincipals(deps.database, { organization, ids: [decision.principal] })
  if (!person) return { code: 'NOT_ELIGIBLE', message: `${decision.principal} is not known here` }
  return { vote: toVote(decision, person), envelope: envelope.data, pending }
}

/** Null if it fits the form; else each place of the answer that does not. */
async function answerProblem(
  { verdict, answer }: { verdict: string; answer?: unknown },
  { question }: PendingWrite,
  organization: string,
): Promise<string | null> {
  if (verdict !== 'approve' || answer === undefined) return 'a question takes an answer, and no verdict'
  return tooLong(answer as JsonValue) ?? misfit(question?.form ?? {}, answer as JsonValue, organization)
}

/** Whoever can start workflows can call this with anything: what has become of the question follows from the answer. */
export async function recordAnswer(
  deps: DoorDeps,
  { asking, envelope }: { asking: Asking; envelope: Envelope },
): Promise<Recorded> {
  const vote = await countingVote(deps, asking, envelope)
  const { runId, writebackId } = asking.origin
  await keepDecision(deps, { envelope, runId, approvalId: writebackId, votes: [vote], state: 'approved' })
  return { votes: [vote], state: 'approved' }
}

/** What the run takes as the output of its step. Throws UNVERIFIED, STALE_DIGEST, INVALID_ANSWER, NOT_ELIGIBLE. */
export async function acceptAnswer(
  deps: DoorDeps,
  { asking, envelope }: { asking: Asking; envelope: Envelope },
): Promise<JsonValue> {
  const vote = await countingVote(deps, asking, envelope)
  return vote.answer ?? null
}

async function countingVote(deps: DoorDeps, asking: Asking, envelope: Envelope): Promise<Vote> {
  const opened = await openAnswer(deps, asking, envelope)
  if ('code' in opened) throw new CodedError(opened.code, opened.message)
  const { vote, pending } = opened
  if (vote.digest !== pending.digest)
    throw new CodedError('STALE_DIGEST', `the answer is about ${vote.digest.slice(0, 12)}`)
  const why = ineligibility(pending.requirement, pending.requester, vote)
  if (why !== null) throw new CodedError(why, `${vote.principal} may not answer this question`)
  return vote
}

function refused(code: ErrorCode, message: string): ResolvedDecision {
  return { kind: 'refused', code, message }
}
