/** Operations on writebacks. */
import { z } from 'zod'
import { CommentSchema, NameSchema } from '../common.ts'
import { ResolutionWordSchema } from '../resolution.ts'
import { defineOperation, pageOf, SpanQuerySchema } from './operation.ts'
import { EnvelopeViewSchema, RunIdSchema, WritebackStateSchema, WritebackViewSchema } from './views.ts'

const params = z.object({
  writeback_id: z.string().regex(/^wb_[A-Za-z0-9_.-]{1,300}$/, 'must be a writeback id'),
})

const ResolutionBodySchema = z.strictObject({
  /** What you have found out by looking at the target. */
  resolution: ResolutionWordSchema,
  comment: CommentSchema.default(''),
  channel: z.enum(['api', 'cli']).default('api'),
})

const SIGNING_ERRORS = ['NOT_FOUND', 'STALE_DIGEST', 'IDEMPOTENCY_CONFLICT'] as const

export const listWritebacks = defineOperation({
  name: 'listWritebacks',
  method: 'GET',
  path: '/v1/writebacks',
  scope: 'read',
  summary: 'List writebacks, newest first.',
  query: SpanQuerySchema.extend({
    state: WritebackStateSchema.optional(),
    run_id: RunIdSchema.optional(),
    automation: NameSchema.optional(),
    connection: NameSchema.optional(),
  }),
  output: pageOf(WritebackViewSchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getWriteback = defineOperation({
  name: 'getWriteback',
  method: 'GET',
  path: '/v1/writebacks/:writeback_id',
  scope: 'read',
  summary: 'Show a writeback and its outcome.',
  params,
  output: WritebackViewSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const resolveWriteback = defineOperation({
  name: 'resolveWriteback',
  method: 'POST',
  path: '/v1/writebacks/:writeback_id/resolutions',
  scope: 'approve',
  summary:
    'Say what became of a write whose outcome is unknown. For people who may approve it, or have the role `operator`.',
  params,
  body: ResolutionBodySchema,
  output: z.object({
    resolution_id: z.string(),
    /** What the write has become; `recorded` if no worker could say so yet. */
    state: z.enum([...WritebackStateSchema.options, 'recorded']),
    message: z.string(),
  }),
  errors: [...SIGNING_ERRORS, 'NOT_UNKNOWN', 'NOT_ELIGIBLE', 'SELF_APPROVAL', 'UNVERIFIED'],
  alternative: { status: 202, description: 'Recorded for certain; it counts as soon as a worker runs.' },
  idempotencyKey: 'The same key with the same resolution is the same word, which counts once.',
  hints: { readOnly: false, idempotent: true },
})

export const createResolutionTicket = defineOperation({
  name: 'createResolutionTicket',
  method: 'POST',
  path: '/v1/writebacks/:writeback_id/tickets',
  scope: 'approve',
  summary: 'Sign a resolution without sending it: what to paste into the Temporal UI as signal `resolve`.',
  params,
  body: ResolutionBodySchema,
  output: z.object({
    workflow_id: z.string(),
    signal: z.literal('resolve'),
    /** The JSON for the input field of “Send a Signal”. */
    input: z.object({ ticket: EnvelopeViewSchema }),
    /** The same with the Temporal CLI. */
    command: z.string(),
  }),
  status: 201,
  errors: SIGNING_ERRORS,
  idempotencyKey: 'The same key with the same resolution is the same word, which counts once.',
  hints: { readOnly: false, idempotent: true },
})
