/** How the things people look at appear in JSON over HTTP: snake_case, times as ISO 8601 in UTC. */
import { z } from 'zod'
import { JsonObjectSchema, JsonSchema } from '../common.ts'
import { TimestampSchema } from './operation.ts'

export const RunIdSchema = z.string().regex(/^run_[0-9a-f]{32}$/, 'must be a run id: run_ and 32 hex digits')

/** The page of an execution in the Temporal UI, of one thing that with the words, of a list the execution’s first; null where the deployment does not say where that is. */
export const TemporalUiUrlSchema = z.string().nullable()

export const RequesterViewSchema = z.object({
  principal: z.string(),
  kind: z.enum(['person', 'service', 'agent']),
  on_behalf_of: z.array(z.string()),
})

export const RequirementViewSchema = z.object({
  policy: z.string(),
  rule: z.string(),
  stages: z.array(
    z.object({ roles: z.array(z.string()), people: z.array(z.string()), quorum: z.number().int() }),
  ),
  any_reject_ends: z.boolean(),
  self_approval: z.boolean(),
  identity: z.enum(['any', 'verified']),
  expires_after_ms: z.number(),
  valid_for_ms: z.number(),
})

export const PreviewViewSchema = z.object({
  executor: z.string(),
  connection: z.string(),
  operation: z.string(),
  target: z.string(),
  changes: z.array(z.object({ field: z.string(), before: JsonSchema, after: JsonSchema })),
  guard: z.enum(['atomic', 'checked', 'none']),
})

export const ApprovalStateSchema = z.enum(['waiting', 'approved', 'rejected', 'expired', 'withdrawn'])

export const ApprovalViewSchema = z.object({
  approval_id: z.string(),
  writeback_id: z.string(),
  run_id: z.string(),
  automation: z.string(),
  /** What a decision has to name: the digest of exactly this write. */
  digest: z.string(),
  state: ApprovalStateSchema,
  requirement: RequirementViewSchema,
  requester: RequesterViewSchema,
  preview: PreviewViewSchema,
  /** Of an automation to people; `approved` is then an answered one. Null for the approval of a write. */
  question: z.object({ title: z.string(), markdown: z.string(), form: JsonObjectSchema }).nullable(),
  /** To the question; null as long as there is none. */
  answer: JsonSchema,
  votes: z.array(
    z.object({
      principal: z.string(),
      verdict: z.enum(['approve', 'reject']),
      at: z.string(),
      comment: z.string(),
      channel: z.string(),
    }),
  ),
  /** Who is missing: so many of those who have one of the roles, or are named. Null once nobody is waited for. */
  waits_for: z
    .object({
      /** From 1; stages are asked one after the other. */
      stage: z.number().int(),
      stages: z.number().int(),
      missing: z.number().int(),
      roles: z.array(z.string()),
      people: z.array(z.string()),
    })
    .nullable(),
  expires_at: TimestampSchema,
  created_at: TimestampSchema,
  closed_at: TimestampSchema.nullable(),
  temporal_workflow_id: z.string(),
  temporal_ui_url: TemporalUiUrlSchema,
})

export const WritebackStateSchema = z.enum([
  'planned',
  'sending',
  'applied',
  'already_applied',
  'conflict',
  'failed',
  'unknown',
  'refused',
  'rejected',
  'expired',
  'withdrawn',
])

export const WritebackViewSchema = z.object({
  writeback_id: z.string(),
  run_id: z.string(),
  automation: z.string(),
  revision: z.number().int(),
  path: z.string(),
  connection: z.string(),
  operation: z.string(),
  executor: z.string(),
  digest: z.string(),
  state: WritebackStateSchema,
  attempt: z.number().int(),
  /** Until when the attempt under way may take; null while none is. */
  deadline_at: TimestampSchema.nullable(),
  requester: RequesterViewSchema,
  requirement: RequirementViewSchema.nullable(),
  preview: PreviewViewSchema,
  outcome: z
    .object({
      status: z.string(),
      output: JsonSchema,
      code: z.string().nullable(),
      message: z.string().nullable(),
      receipt: z.object({ id: z.string(), seq: z.number().int(), sha256: z.string() }),
    })
    .nullable(),
  created_at: TimestampSchema,
})

/** DSSE, whose own names are camelCase. */
export const EnvelopeViewSchema = z.object({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
})

export const ReceiptViewSchema = z.object({
  id: z.string(),
  seq: z.number().int(),
  sha256: z.string(),
  envelope: EnvelopeViewSchema,
})

export const ReceiptKindSchema = z.enum(['decision', 'outcome', 'resolution'])

/** A receipt without its envelope. */
export const ReceiptMentionSchema = ReceiptViewSchema.omit({ envelope: true }).extend({
  kind: ReceiptKindSchema,
  /** What it is about: a decision, a writeback, a resolution. */
  subject: z.string(),
})

export const ReceiptsHeadSchema = z.object({ count: z.number().int(), sha256: z.string() })

export type ApprovalView = z.infer<typeof ApprovalViewSchema>
export type WritebackView = z.infer<typeof WritebackViewSchema>
export type RequesterView = z.infer<typeof RequesterViewSchema>
export type RequirementView = z.infer<typeof RequirementViewSchema>
