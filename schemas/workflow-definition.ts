/**
 * Workflow definitions of the public guide: a list of steps, each a call of a tool or a piece of code, one after the
 * other. Read for import only. Fields that are not known here are kept, so that the import can say what it leaves out.
 */
import { z } from 'zod'
import { LIMITS } from '../lib/limits.ts'
import { JsonObjectSchema } from './common.ts'

const NameTextSchema = z.string().min(1).max(200)
const TextSchema = z.string().max(10_000)

const RetriesSchema = z.looseObject({
  /** Beyond the first attempt. */
  limit: z.int().min(0).optional(),
  /** Milliseconds, or a text such as `10 seconds`. */
  delay: z.union([z.number().min(0), z.string()]).optional(),
  backoff: z.enum(['constant', 'linear', 'exponential']).optional(),
})

const OptionsSchema = z.looseObject({
  retries: RetriesSchema.optional(),
  /** Milliseconds, or a text; null stands for a time without end, which JSON has not. */
  timeout: z.union([z.number().positive(), z.string(), z.null()]).optional(),
})

const ToolCallStepSchema = z.looseObject({
  type: z.literal('tool_call'),
  def: z.looseObject({
    name: NameTextSchema,
    description: TextSchema.optional(),
    tool_name: z.string().min(1).max(128),
    /** Id or display name. */
    integration: NameTextSchema,
    options: OptionsSchema.optional(),
  }),
})

const CodeStepSchema = z.looseObject({
  type: z.literal('code'),
  def: z.looseObject({
    name: NameTextSchema,
    description: TextSchema.optional(),
    /** A module whose default export is called with `ctx`. */
    execute: z.string().min(1),
  }),
})

export const WorkflowDefinitionSchema = z.looseObject({
  name: NameTextSchema,
  description: TextSchema.optional(),
  inputSchema: JsonObjectSchema.optional(),
  outputSchema: JsonObjectSchema.optional(),
  steps: z
    .array(z.discriminatedUnion('type', [ToolCallStepSchema, CodeStepSchema]))
    .min(1)
    .max(LIMITS.stepsPerRun),
})

export type WorkflowDefinition = z.infer<typeof WorkflowDefinitionSchema>
export type DefinitionStep = WorkflowDefinition['steps'][number]
export type DefinitionOptions = z.infer<typeof OptionsSchema>
