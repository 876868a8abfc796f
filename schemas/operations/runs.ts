/** Operations on runs. `run_…` is our public id; Temporal's is always called `temporal_run_id`. */
import { z } from 'zod'
import { JsonSchema, NameSchema, PrincipalIdSchema } from '../common.ts'
import { defineOperation, pageOf, SpanQuerySchema, TimestampSchema } from './operation.ts'
import {
  ApprovalViewSchema,
  ReceiptsHeadSchema,
  ReceiptMentionSchema,
  RequesterViewSchema,
  RunIdSchema,
  TemporalUiUrlSchema,
  WritebackViewSchema,
} from './views.ts'

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
  temporal_ui_url: TemporalUiUrlSchema,
})

export const startRun = defineOperation({
  name: 'startRun',
  method: 'POST',
  path: '/v1/automations/:name/runs',
  scope: 'start',
  summary: 'Start a run of an automation. The same Idempotency-Key never starts a second one.',
  params: z.object({ name: NameSchema }),
  body: z.strictObject({
    input: JsonSchema.default({}),
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
    temporal_ui_url: TemporalUiUrlSchema,
  }),
  status: 201,
  errors: [
    'NOT_FOUND',
    'AUTOMATION_PAUSED',
    'IDEMPOTENCY_CONFLICT',
    'SCHEMA_TOO_COSTLY',
    'ORGANIZATION_BUSY',
  ],
  idempotencyKey: 'The same key never starts a second run; with another request it is refused.',
  hints: { readOnly: false, idempotent: true },
})

export const listRuns = defineOperation({
  name: 'listRuns',
  method: 'GET',
  path: '/v1/runs',
  scope: 'read',
  summary:
    'List runs, newest first. States that Temporal knows (`running` and all that are over) are looked up in its ' +
    'visibility store, which lags a little behind.',
  query: SpanQuerySchema.extend({
    automation: NameSchema.optional(),
    state: RunStateSchema.exclude(['no_longer_kept']).optional(),
    /** Runs that events of this connection have started. */
    connection: NameSchema.optional(),
  }),
  output: pageOf(
    RunHeadSchema.extend({
      delivery_state: z.enum(['pending', 'started']),
      /** Null while Temporal does not answer. */
      state: RunStateSchema.nullable(),
    }),
  ),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

/** One try of one call to the outside, as Temporal has it. */
const AttemptSchema = z.object({
  /** `call`: a tool or a statement. `writeback`, `run`: a child workflow. */
  kind: z.enum(['call', 'writeback', 'run']),
  state: z.enum(['scheduled', 'running', 'completed', 'failed', 'cancelled', 'timed_out']),
  /** Which try it is, from 1. Of earlier ones Temporal keeps the last failure only. */
  attempt: z.number().int(),
  scheduled_at: TimestampSchema.nullable(),
  started_at: TimestampSchema.nullable(),
  closed_at: TimestampSchema.nullable(),
  /** When it is tried again; null unless it waits for that. */
  next_attempt_at: TimestampSchema.nullable(),
  /** Of the last try that went wrong; of a write or a run with a workflow of its own, what that one was told. */
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** What the call goes through; null for what is no call. */
  connection: z.string().nullable(),
  /** Of the child workflow. */
  temporal_workflow_id: z.string().nullable(),
  temporal_ui_url: TemporalUiUrlSchema,
})

export const LogLineSchema = z.object({
  level: z.enum(['debug', 'log', 'info', 'warn', 'error']),
  text: z.string(),
})

const StepViewSchema = z.object({
  /** `waive`, `each[3].notify`. `?` for attempts whose values are gone, and with them the name of their step. */
  path: z.string(),
  /** `waiting`: for people. */
  state: z.enum(['running', 'waiting', 'completed', 'failed', 'skipped']),
  output: JsonSchema,
  /** It is too large to be shown here, and stands in Temporal's history. */
  output_omitted: z.boolean(),
  /** What the code of the step has printed. */
  logs: z.array(LogLineSchema),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  writeback_ids: z.array(z.string()),
  attempts: z.array(AttemptSchema),
})

const HeldUpSchema = z.object({
  /** Null for the run as a whole: it is not started yet, or no worker takes it up, or none can go on with it. */
  path: z.string().nullable(),
  connection: z.string().nullable(),
  attempt: z.number().int().nullable(),
  /** Of the last attempt. */
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
  /** Null while an attempt is under way, and where no worker is there to make one. */
  next_attempt_at: TimestampSchema.nullable(),
  /** All of that in a sentence. */
  summary: z.string(),
  /** What to do about it. */
  action: z.string(),
})

const RunViewSchema = RunHeadSchema.extend({
  state: RunStateSchema,
  input: JsonSchema,
  requester: RequesterViewSchema,
  /** Null until the run has completed, and if the value is gone, which `failure` then says. */
  result: JsonSchema,
  /** `PAYLOAD_UNAVAILABLE` beside a state that is no failure: how the run has ended is known, and with what is not. */
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
  temporal_run_id: z.string().nullable(),
  started_at: TimestampSchema.nullable(),
  closed_at: TimestampSchema.nullable(),
  /** In the order in which they were reached. */
  steps: z.array(StepViewSchema),
  /**
   * Who has told the steps. `workflow`: the run itself. `history`: no worker answers, so that steps which call nothing
   * are missing. `none`: Temporal has no history of the run, or not yet.
   */
  steps_from: z.enum(['workflow', 'history', 'none']),
  /**
   * Why it does not move, where that is nobody's decision: calls that are tried again, a start that Temporal refuses, workers
   * that are missing or cannot go on.
   */
  held_up_by: z.array(HeldUpSchema),
  /** The history is over 8 MB: what was tried stands in the Temporal UI only. */
  attempts_omitted: z.boolean(),
  /** Newest first. */
  writebacks: z.array(WritebackViewSchema),
  /** There are more than 200, or over 4 MB: of those that are over, the oldest are not here, but in `listWritebacks`. */
  writebacks_omitted: z.boolean(),
  /** Oldest first. */
  approvals: z.array(ApprovalViewSchema),
  /** There are more than 200, or over 4 MB: of those that are closed, the newest are not here, but in `listApprovals`. */
  approvals_omitted: z.boolean(),
  /** In their order, without what they say: that is in `listReceipts`. */
  receipts: z.array(ReceiptMentionSchema),
  /** There are more than 200: the oldest are not here, but in `listReceipts`. */
  receipts_omitted: z.boolean(),
  /**
   * What the run's own result in Temporal says about its receipts: how many, and the digest of the last. Null while
   * it runs, and for what was cancelled or terminated, or is no longer kept.
   */
  receipts_head: ReceiptsHeadSchema.nullable(),
})

export const getRun = defineOperation({
  name: 'getRun',
  method: 'GET',
  path: '/v1/runs/:run_id',
  scope: 'read',
  summary:
    'Show a run: its state, every step with its attempts, its approvals, writebacks and receipts, its result or failure.',
  params: z.object({ run_id: RunIdSchema }),
  output: RunViewSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const watchRun = defineOperation({
  name: 'watchRun',
  method: 'GET',
  path: '/v1/runs/:run_id/events',
  scope: 'read',
  summary:
    'Wait until a run has changed: the answer comes when its version is no longer `after`, or when `wait` is over. ' +
    'Without `after` it comes at once. Ask again with the version of the answer, until `is_over`.',
  params: z.object({ run_id: RunIdSchema }),
  query: z.strictObject({
    /** The version that the caller has. */
    after: z
      .string()
      .regex(/^[0-9a-f]{16}$/, 'must be a version that this operation gave')
      .optional(),
    /** Seconds. */
    wait: z.coerce.number<number>().int().min(0).max(30).default(25),
  }),
  output: z.object({
    version: z.string(),
    changed: z.boolean(),
    /** Nothing will change any more. */
    is_over: z.boolean(),
    /** Null if nothing has changed. */
    run: RunViewSchema.nullable(),
  }),
  errors: ['NOT_FOUND', 'TOO_MANY_WATCHERS'],
  hints: { readOnly: true, idempotent: true },
})

export const cancelRun = defineOperation({
  name: 'cancelRun',
  method: 'POST',
  path: '/v1/runs/:run_id/cancel',
  scope: 'start',
  summary:
    'Ask Temporal to cancel a run. A write under way still ends with its outcome. A run that is `pending` is never ' +
    'started; it stands in lists without a filter on the state, for Temporal knows nothing of it.',
  params: z.object({ run_id: RunIdSchema }),
  output: z.object({ run_id: z.string(), state: z.literal('cancel_requested') }),
  status: 202,
  errors: ['NOT_FOUND', 'RUN_OVER'],
  hints: { readOnly: false, idempotent: true },
})

export type RunView = z.infer<typeof RunViewSchema>
export type StepView = z.infer<typeof StepViewSchema>
export type HeldUp = z.infer<typeof HeldUpSchema>
export type AttemptView = z.infer<typeof AttemptSchema>
