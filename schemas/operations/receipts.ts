/** Operations on receipts, and the public keys to verify them with. */
import { z } from 'zod'
import {
  defineOperation,
  LongPageQuerySchema,
  pageOf,
  SpanQuerySchema,
  TimestampSchema,
} from './operation.ts'
import {
  EnvelopeViewSchema,
  ReceiptKindSchema,
  ReceiptMentionSchema,
  ReceiptViewSchema,
  RunIdSchema,
} from './views.ts'

export const listReceipts = defineOperation({
  name: 'listReceipts',
  method: 'GET',
  path: '/v1/runs/:run_id/receipts',
  scope: 'read',
  summary:
    'The receipts of a run in order, with the head of their chain: a missing last one shows. A long chain comes in ' +
    'pages; the head of the last page is that of all of them.',
  params: z.object({ run_id: RunIdSchema }),
  query: LongPageQuerySchema,
  output: z.object({
    run_id: z.string(),
    receipts: z.array(ReceiptViewSchema),
    /** Null on the last page. One with large values ends early, at 4 MB: it may have fewer receipts than `limit`. */
    next_cursor: z.string().nullable(),
    /** Of the chain when this page was read: more receipts may have been added between two pages. */
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
    kind: ReceiptKindSchema.optional(),
    /** What it is about: a decision, a writeback, a resolution. */
    subject: z.string().min(1).max(400).optional(),
  }),
  output: pageOf(
    ReceiptViewSchema.extend({
      ...ReceiptMentionSchema.shape,
      run_id: z.string(),
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
