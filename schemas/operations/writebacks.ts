/** Operations on writebacks and receipts. */
import { z } from 'zod'
import { defineOperation, PageQuerySchema, pageOf } from './operation.ts'
import { ReceiptViewSchema, WritebackViewSchema } from './views.ts'

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
  params: z.object({
    writeback_id: z.string().regex(/^wb_[A-Za-z0-9_.-]{1,300}$/, 'must be a writeback id'),
  }),
  output: WritebackViewSchema,
  hints: { readOnly: true, idempotent: true },
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
