/** Operations on writebacks and receipts. */
import { z } from 'zod'
import { ResolutionWordSchema } from '../resolution.ts'
import { defineOperation, PageQuerySchema, pageOf } from './operation.ts'
import { EnvelopeViewSchema, ReceiptViewSchema, WritebackStateSchema, WritebackViewSchema } from './views.ts'

const params = z.object({
  writeback_id: z.string().regex(/^wb_[A-Za-z0-9_.-]{1,300}$/, 'must be a writeback id'),
})

const ResolutionBodySchema = z.strictObject({
  /** What you have found out by looking at the target. */
  resolution: ResolutionWordSchema,
  comment: z.string().max(4_000).default(''),
  channel: z.enum(['api', 'cli', 'console']).default('api'),
})

export const listWritebacks = defineOperation({
  name: 'listWritebacks',
  method: 'GET',
  path: '/v1/writebacks',
  scope: 'read',
  summary: 'List writebacks, newest first.',
  query: PageQuerySchema.extend({ run_id: z.string().optional() }),
  output: pageOf(WritebackViewSchema),
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
    state: z.union([WritebackStateSchema, z.literal('recorded')]),
    message: z.string(),
  }),
  alternative: { status: 202, description: 'Recorded for certain; it counts as soon as a worker runs.' },
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
  hints: { readOnly: false, idempotent: true },
})

export const listReceipts = defineOperation({
  name: 'listReceipts',
  method: 'GET',
  path: '/v1/receipts',
  scope: 'read',
  summary: 'The receipts of a run in order, with the head of their chain: a missing last one shows.',
  query: z.strictObject({ run_id: z.string() }),
  output: z.object({
    receipts: z.array(ReceiptViewSchema),
    head: z.object({ seq: z.number().int(), sha256: z.string() }).nullable(),
  }),
  hints: { readOnly: true, idempotent: true },
})

export const getKeys = defineOperation({
  name: 'getKeys',
  method: 'GET',
  path: '/v1/public-keys',
  scope: 'read',
  summary: 'The public keys that decisions and outcomes are signed with, to verify receipts offline.',
  output: z.object({
    keys: z.array(
      z.object({
        key_id: z.string(),
        purpose: z.enum(['decision', 'receipt']),
        /** SPKI, PEM. */
        public_key: z.string(),
      }),
    ),
  }),
  hints: { readOnly: true, idempotent: true },
})
