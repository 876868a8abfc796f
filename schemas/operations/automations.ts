/** Operations on automations: which there are, and pausing them. What an automation does, its manifest says. */
import { z } from 'zod'
import { NameSchema } from '../common.ts'
import { defineOperation, FlagSchema, LongPageQuerySchema, pageOf, TimestampSchema } from './operation.ts'

const params = z.object({ name: NameSchema })

/** How a trigger is named: `<type>/<connection>/<event>`. It stays the same when the automation is saved anew. */
const TriggerIdSchema = z
  .string()
  .regex(/^event\/[a-z][a-z0-9_-]{0,62}\/[ -~]{1,128}$/, 'must be a trigger: event/<connection>/<event>')

const PauseSchema = z.object({ at: TimestampSchema, by: z.string(), reason: z.string() })

const AutomationStateSchema = z.object({
  name: z.string(),
  revision: z.number().int(),
  description: z.string().nullable(),
  /** Null unless the automation as a whole is paused. */
  paused: PauseSchema.nullable(),
  triggers: z.array(z.object({ trigger: z.string(), paused: PauseSchema.nullable() })),
})

/** Nothing of it: the automation as a whole. */
const trigger = TriggerIdSchema.optional()

export const listAutomations = defineOperation({
  name: 'listAutomations',
  method: 'GET',
  path: '/v1/automations',
  scope: 'read',
  summary: 'List automations by name, with what is paused of them.',
  query: LongPageQuerySchema.extend({
    /** Whether the automation as a whole is paused. */
    paused: FlagSchema.optional(),
    /** Those with a trigger for events of this connection. */
    connection: NameSchema.optional(),
  }),
  output: pageOf(AutomationStateSchema),
  errors: [],
  hints: { readOnly: true, idempotent: true },
})

export const getAutomation = defineOperation({
  name: 'getAutomation',
  method: 'GET',
  path: '/v1/automations/:name',
  scope: 'read',
  summary: 'Show an automation: its triggers, and what is paused.',
  params,
  output: AutomationStateSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: true, idempotent: true },
})

export const pauseAutomation = defineOperation({
  name: 'pauseAutomation',
  method: 'POST',
  path: '/v1/automations/:name/pause',
  scope: 'admin',
  summary:
    'Pause an automation, or one trigger of it. It starts nothing then: a start is refused with AUTOMATION_PAUSED, an ' +
    'event is accepted and starts the others only. Runs that were accepted before go on. Pausing twice keeps the first reason.',
  params,
  body: z.strictObject({ trigger, reason: z.string().max(500).default('') }),
  output: AutomationStateSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})

export const resumeAutomation = defineOperation({
  name: 'resumeAutomation',
  method: 'POST',
  path: '/v1/automations/:name/resume',
  scope: 'admin',
  summary:
    'Let an automation, or one trigger of it, start runs again. What came meanwhile is not started afterwards.',
  params,
  body: z.strictObject({ trigger }),
  output: AutomationStateSchema,
  errors: ['NOT_FOUND'],
  hints: { readOnly: false, idempotent: true },
})
