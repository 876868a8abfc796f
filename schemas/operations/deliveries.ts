/** Operations on deliveries: what has arrived, what it started, and what it did not start, and why. */
import { z } from 'zod'
import { NameSchema } from '../common.ts'
import { defineOperation, pageOf, SpanQuerySchema, TimestampSchema } from './operation.ts'
import { RequesterViewSchema, TemporalUiUrlSchema } from './views.ts'

const DeliveryStateSchema = z.enum(['pending', 'started'])

const DeliveryViewSchema = z.object({
  delivery_id: z.string(),
  /** `api/<automation>` or `event/<connection>/<type>`. */
  source: z.string(),
  /** What a second sending is recognised by: a key of the sender, the trigger's `dedupe`, else the delivery's own id. */
  dedupe_key: z.string(),
  requester: RequesterViewSchema,
  state: DeliveryStateSchema,
  received_at: TimestampSchema,
  started_at: TimestampSchema.nullable(),
  /** Starts that Temporal refused. */
  attempts: z.number().int(),
  last_error: z.string().nullable(),
  runs: z.array(
    z.object({
      run_id: z.string(),
      automation: z.string(),
      revision: z.number().int(),
      temporal_workflow_id: z.string(),
      temporal_ui_url: TemporalUiUrlSchema,
    }),
  ),
  /** Automations that were not started: paused, their expressions failed, or the event came again with other content. */
  skipped: z.array(z.object({ automation: z.string(), code: z.string(), detail: z.string() })),
})

export const listDeliveries = defineOperation({
  name: 'listDeliveries',
  method: 'GET',
  path: '/v1/deliveries',
  scope: 'read',
  summary: 'List what has arrived, newest first.',
  query: SpanQuerySchema.extend({
    state: DeliveryStateSchema.optional(),
    automation: NameSchema.optional(),
    /** Events of this connection only. */
    connection: NameSchema.optional(),
  }),
  output: pageOf(DeliveryViewSchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getDelivery = defineOperation({
  name: 'getDelivery',
  method: 'GET',
  path: '/v1/deliveries/:delivery_id',
  scope: 'read',
  summary: 'Show a delivery.',
  params: z.object({
    delivery_id: z.string().regex(/^dlv_[A-Za-z0-9_.-]{1,200}$/, 'must be a delivery id'),
  }),
  output: DeliveryViewSchema.extend({
    /** Why an event has started nothing at all, where no automation has a trigger for it; else null. */
    nothing_because: z.string().nullable(),
  }),
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})
