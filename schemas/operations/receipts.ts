/** Operations on receipts, and the public keys to verify them with. */
import { z } from 'zod'
import { defineOperation, pageOf, SpanQuerySchema, TimestampSchema } from './operation.ts'
import { EnvelopeViewSchema, ReceiptViewSchema, RunIdSchema } from './views.ts'

export const listReceipts = defineOperation({
  name: 'listReceipts',
  method: 'GET',
  path: '/v1/runs/:run_id/receipts',
  scope: 'read',
  summary: 'The receipts of a run in order, with the head of their chain: a missing last one shows.',
  params: z.object({ run_id: RunIdSchema }),
  output: z.object({
    run_id: z.string(),
    receipts: z.array(ReceiptViewSchema),
    head: z.object({ seq: z.number().int(), sha256: z.string() }).nullable(),
    /** The same head, with the time, signed: in a file that is kept, nobody can cut receipts off at the end. */
    signed_head: EnvelopeViewSchema,
  }),
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const searchReceipts = defineOperation({
  name: 'searchReceipts',
  method: 'GET',
  path: '/v1/receipts',
  scope: 'read',
  summary: 'List receipts of all runs, newest first. Those of one run as evidence: `listReceipts`.',
  query: SpanQuerySchema.extend({
    run_id: RunIdSchema.optional(),
    kind: z.enum(['decision', 'outcome', 'resolution']).optional(),
    /** What it is about: a decision, a writeback, a resolution. */
    subject: z.string().min(1).max(400).optional(),
  }),
  output: pageOf(
    ReceiptViewSchema.extend({
      run_id: z.string(),
      kind: z.enum(['decision', 'outcome', 'resolution']),
      subject: z.string(),
      created_at: TimestampSchema,
    }),
  ),
  errors: [],
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
        /** What it has signed since then proves nothing; null while it is in use. */
        retired_at: TimestampSchema.nullable(),
      }),
    ),
  }),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})
