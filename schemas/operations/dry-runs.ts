/** The operation that tells what a run would do. */
import { z } from 'zod'
import { JsonSchema, NameSchema, PrincipalIdSchema } from '../common.ts'
import { defineOperation } from './operation.ts'
import { LogLineSchema } from './runs.ts'
import { PreviewViewSchema, RequirementViewSchema, TemporalUiUrlSchema } from './views.ts'

const StagesSchema = RequirementViewSchema.shape.stages
const FailureSchema = z.object({ code: z.string(), message: z.string() })

const WouldWriteSchema = z.object({
  preview: PreviewViewSchema,
  /** `policy/rule`, of today's policies. */
  rule: z.string(),
  /** Whom it would wait for, stage after stage; empty if it waits for nobody. */
  asks: StagesSchema,
  /** Why it would not be applied, whoever agrees; the step has failed then. */
  refused: FailureSchema.nullable(),
  /** Why it would wait although everybody agrees: its connection is frozen. */
  held_because: z.string().nullable(),
})

const DryStepSchema = z.object({
  /** `waive`, `each[3].notify`. */
  path: z.string(),
  /** `stopped`: it would take the output of `needs`, or was not over in time. */
  state: z.enum(['completed', 'failed', 'skipped', 'would_write', 'would_ask', 'would_start', 'stopped']),
  /** Of what would be written, asked or started: what `answers` says, else null. */
  output: JsonSchema,
  output_omitted: z.boolean(),
  logs: z.array(LogLineSchema),
  error: FailureSchema.nullable(),
  /** Paths of the steps whose output nobody has. */
  needs: z.array(z.string()),
  would_write: WouldWriteSchema.nullable(),
  would_ask: z.object({ title: z.string(), markdown: z.string(), asks: StagesSchema }).nullable(),
  would_start: z.object({ automation: z.string(), input: JsonSchema }).nullable(),
  /** How long it would sleep; a dry run does not. */
  would_sleep_ms: z.number().nullable(),
})

const DryRunViewSchema = z.object({
  automation: z.string(),
  revision: z.number().int(),
  /** As if everybody agreed. `stopped`: what comes next takes an output that nobody has. */
  state: z.enum(['completed', 'failed', 'stopped']),
  output: JsonSchema,
  failure: FailureSchema.nullable(),
  /** In the order in which they were reached. */
  steps: z.array(DryStepSchema),
  /** What this dry run cannot tell, in sentences. */
  problems: z.array(z.object({ path: z.string(), message: z.string() })),
  /** Of the dry run itself. */
  temporal_workflow_id: z.string(),
  temporal_ui_url: TemporalUiUrlSchema,
})

export const dryRun = defineOperation({
  name: 'dryRun',
  method: 'POST',
  path: '/v1/automations/:name/dry-run',
  scope: 'start',
  summary:
    'Tell what a run would do now: readings are made, writes are planned and not sent, nobody is asked, no run is ' +
    'started, nothing is kept. It takes at most 40 seconds.',
  params: z.object({ name: NameSchema }),
  body: z.strictObject({
    input: JsonSchema.default({}),
    /** Whom the caller would ask for, nearest first. */
    on_behalf_of: z.array(PrincipalIdSchema).max(20).default([]),
    /**
     * By path of a step: what stands for the output of a write, the answer to a question, the result of another run, so
     * that the steps that take it are reached.
     */
    answers: z.record(z.string().max(500), JsonSchema).default({}),
  }),
  output: DryRunViewSchema,
  errors: ['NOT_FOUND', 'INVALID_ANSWER', 'SCHEMA_TOO_COSTLY', 'ORGANIZATION_BUSY'],
  hints: { readOnly: true, idempotent: true },
})

export type DryRunView = z.infer<typeof DryRunViewSchema>
export type DryStepView = z.infer<typeof DryStepSchema>
