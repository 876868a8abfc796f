/** Operations on runs. `run_…` is our public id; Temporal's is always called `temporal_run_id`. */
import { z } from 'zod'
import { NameSchema, PrincipalIdSchema } from '../common.ts'
import { defineOperation, PageQuerySchema, pageOf, TimestampSchema } from './operation.ts'
import {
  ApprovalViewSchema,
  ReceiptsHeadSchema,
  ReceiptViewSchema,
  RequesterViewSchema,
  WritebackViewSchema,
} from './views.ts'

const RunIdSchema = z.string().regex(/^run_[0-9a-f]{32}$/, 'must be a run id: run_ and 32 hex digits')

export const RunStateSchema = z.enum([
  /** Stored, and not yet started: Temporal was away. */
  'pending',
  'running',
  'waiting_for_approval',
  /** Nobody knows whether a write was done, and a person has to say. */
  'waiting_for_resolution',
  'completed',
  'failed',
  'cancelled',
  'terminated',
  'timed_out',
  /** Started once; Temporal's retention is over. Writebacks and receipts are still here. */
  'no_longer_kept',
])

const RunHeadSchema = z.object({
  run_id: z.string(),
  automation: z.string(),
  revision: z.number().int(),
  delivery_id: z.string(),
  /** `api/<automation>`, `event/<connection>/<type>`, or `run/<run_id>` of the run that started it with a step. */
  source: z.string(),
  received_at: TimestampSchema,
  temporal_workflow_id: z.string(),
  temporal_ui_url: z.string(),
})

export const startRun = defineOperation({
  name: 'startRun',
  method: 'POST',
  path: '/v1/automations/:name/runs',
  scope: 'start',
  summary: 'Start a run of an automation. The same Idempotency-Key never starts a second one.',
  params: z.object({ name: NameSchema }),
  body: z.strictObject({
    input: z.json().default({}),
    /** Whom the caller asks for, nearest first. They may not approve what the run wants to write. */
    on_behalf_of: z.array(PrincipalIdSchema).max(20).default([]),
  }),
  output: z.object({
    run_id: z.string(),
    delivery_id: z.string(),
    /** `pending`: stored for certain, and started as soon as Temporal answers. */
    state: z.enum(['pending', 'started']),
    duplicate: z.boolean(),
    temporal_workflow_id: z.string(),
    temporal_ui_url: z.string(),
  }),
  status: 201,
  hints: { readOnly: false, idempotent: true },
})

export const listRuns = defineOperation({
  name: 'listRuns',
  method: 'GET',
  path: '/v1/runs',
  scope: 'read',
  summary: 'List runs, newest first.',
  query: PageQuerySchema.extend({ automation: NameSchema.optional() }),
  output: pageOf(RunHeadSchema.extend({ delivery_state: z.enum(['pending', 'started']) })),
  hints: { readOnly: true, idempotent: true },
})

export const getRun = defineOperation({
  name: 'getRun',
  method: 'GET',
  path: '/v1/runs/:run_id',
  scope: 'read',
  summary: 'Show a run: its state, its result or failure, and what it wrote.',
  params: z.object({ run_id: RunIdSchema }),
  output: RunHeadSchema.extend({
    state: RunStateSchema,
    input: z.json(),
    requester: RequesterViewSchema,
    /** Null until the run has completed. */
    result: z.json(),
    failure: z.object({ code: z.string(), message: z.string() }).nullable(),
    temporal_run_id: z.string().nullable(),
    started_at: TimestampSchema.nullable(),
    closed_at: TimestampSchema.nullable(),
    writebacks: z.array(WritebackViewSchema),
    approvals: z.array(ApprovalViewSchema),
    receipts: z.array(ReceiptViewSchema),
    /**
     * What the run's own result in Temporal says about its receipts: how many, and the digest of the last. Null while
     * it runs, and for what was cancelled or terminated, or is no longer kept.
     */
    receipts_head: ReceiptsHeadSchema.nullable(),
  }),
  hints: { readOnly: true, idempotent: true },
})

export const cancelRun = defineOperation({
  name: 'cancelRun',
  method: 'POST',
  path: '/v1/runs/:run_id/cancel',
  scope: 'start',
  summary: 'Ask Temporal to cancel a run. A write under way still ends with its outcome.',
  params: z.object({ run_id: RunIdSchema }),
  output: z.object({ run_id: z.string(), state: z.literal('cancel_requested') }),
  status: 202,
  hints: { readOnly: false, idempotent: true },
})
