/** Operations on approvals. */
import { z } from 'zod'
import { CommentSchema, JsonSchema, NameSchema, SHA256_HEX } from '../common.ts'
import { defineOperation, pageOf, SpanQuerySchema } from './operation.ts'
import { ApprovalStateSchema, ApprovalViewSchema, EnvelopeViewSchema, RunIdSchema } from './views.ts'

/** A question's id, or the writeback's id, with `/ask2` and so on when people were asked again; in a URL, encode it. */
const ApprovalIdSchema = z
  .string()
  .regex(/^(?:wb|ask)_[A-Za-z0-9_.-]{1,300}(\/ask\d{1,3})?$/, 'must be an approval id')

const params = z.object({ approval_id: ApprovalIdSchema })

const DecisionBodySchema = z.strictObject({
  verdict: z.enum(['approve', 'reject']),
  /** The digest of the write that was looked at: if another one waits now, the decision is refused. */
  digest: z.string().regex(SHA256_HEX, 'must be 64 lower-case hex digits'),
  comment: CommentSchema.default(''),
  channel: z.enum(['api', 'cli']).default('api'),
})

const SIGNING_ERRORS = ['NOT_FOUND', 'STALE_DIGEST', 'IDEMPOTENCY_CONFLICT', 'INVALID_ANSWER'] as const

/** Verdicts on a vote that was not taken. */
const VERDICT_ERRORS = [
  'ALREADY_DECIDED',
  'ALREADY_VOTED',
  'SELF_APPROVAL',
  'NOT_ELIGIBLE',
  'NOT_THEIR_TURN',
  'EXPIRED',
  'UNVERIFIED',
  'NO_ELIGIBLE_APPROVER',
  'WAIT_OVER',
] as const

export const listApprovals = defineOperation({
  name: 'listApprovals',
  method: 'GET',
  path: '/v1/approvals',
  scope: 'read',
  summary: 'List approvals, oldest first: those that wait, unless another state is asked for.',
  query: SpanQuerySchema.extend({
    state: z.enum([...ApprovalStateSchema.options, 'all']).default('waiting'),
    run_id: RunIdSchema.optional(),
    automation: NameSchema.optional(),
    connection: NameSchema.optional(),
  }),
  output: pageOf(ApprovalViewSchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getApproval = defineOperation({
  name: 'getApproval',
  method: 'GET',
  path: '/v1/approvals/:approval_id',
  scope: 'read',
  summary: 'Show an approval: what would be written, who is asked, who has voted.',
  params,
  output: ApprovalViewSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const decideApproval = defineOperation({
  name: 'decideApproval',
  method: 'POST',
  path: '/v1/approvals/:approval_id/decisions',
  scope: 'approve',
  summary:
    'Approve or reject. 200 with the verdict on the vote; 409 if it was refused; 410 if the wait is over.',
  params,
  body: DecisionBodySchema,
  output: z.object({
    decision_id: z.string(),
    /** What the approval has become with this vote; `recorded` if no worker could say so yet. */
    state: z.enum([...ApprovalStateSchema.options, 'recorded']),
    message: z.string(),
  }),
  errors: [...SIGNING_ERRORS, ...VERDICT_ERRORS],
  alternative: { status: 202, description: 'Recorded for certain; it counts as soon as a worker runs.' },
  idempotencyKey: 'The same key with the same digest and answer is the same decision, which counts once.',
  hints: { readOnly: false, idempotent: true },
})

export const answerAsk = defineOperation({
  name: 'answerAsk',
  method: 'POST',
  path: '/v1/approvals/:approval_id/answer',
  scope: 'approve',
  summary: 'Answer a question of an automation. 422 if the answer does not fit the form; then answer again.',
  params,
  body: z.strictObject({
    /** Has to fit the form of the question. */
    answer: JsonSchema,
    /** The digest of the question that was looked at. */
    digest: z.string().regex(SHA256_HEX, 'must be 64 lower-case hex digits'),
    comment: CommentSchema.default(''),
    channel: z.enum(['api', 'cli']).default('api'),
  }),
  output: decideApproval.output,
  errors: [...SIGNING_ERRORS, ...VERDICT_ERRORS],
  alternative: { status: 202, description: 'Recorded for certain; it counts as soon as a worker runs.' },
  idempotencyKey: 'The same key with the same digest and answer is the same decision, which counts once.',
  hints: { readOnly: false, idempotent: true },
})

export const createTicket = defineOperation({
  name: 'createTicket',
  method: 'POST',
  path: '/v1/approvals/:approval_id/tickets',
  scope: 'approve',
  summary: 'Sign a decision without sending it: what to paste into the Temporal UI, or to send with its CLI.',
  params,
  body: DecisionBodySchema,
  output: z.object({
    workflow_id: z.string(),
    signal: z.enum(['approve', 'reject']),
    /** The JSON for the input field of “Send a Signal”. */
    input: z.object({ ticket: EnvelopeViewSchema }),
    /** The same with the Temporal CLI. */
    command: z.string(),
  }),
  status: 201,
  errors: SIGNING_ERRORS,
  idempotencyKey: 'The same key with the same digest and answer is the same decision, which counts once.',
  hints: { readOnly: false, idempotent: true },
})
