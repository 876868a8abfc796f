/**
 * The steps of an automation, as people write them. Every step has a `name` and says exactly one thing that it does.
 *
 * Names and scope. A step is named in expressions as `steps.<name>`, with `output`, `status`, `error` and `writeback`.
 * It sees the steps before it in its own block, and those that come before the blocks it stands in. What happens inside
 * a block stays there: afterwards only the block's own output can be named. Within what it sees a name is unique; two
 * branches may use the same one.
 *
 * Paths. A step is addressed by its path: `waive`, `each[3].notify` (an item of a loop), `fan.billing.read` (a branch),
 * `pick[0].pay` and `pick.otherwise.tell` (a choice).
 */
import { z } from 'zod'
import {
  MAX_BRANCHES,
  MAX_CODE_BYTES,
  MAX_CODE_TIMEOUT_MS,
  MAX_CONCURRENCY,
  LIMITS,
  utf8Bytes,
} from '../lib/limits.ts'
import {
  durationMs,
  DurationSchema,
  JsonObjectSchema,
  JsonSchema,
  NameSchema,
  PrincipalIdSchema,
  RoleSchema,
  StepNameSchema,
  TimeoutSchema,
} from './common.ts'
import { SqlUpdateSchema } from './sql.ts'

export const ExpressionSchema = z.string().min(1).max(4_000)

const DEFAULT_CONCURRENCY = 5

const step = {
  name: StepNameSchema,
  /** The step is skipped unless this is true; its output is then null. */
  if: ExpressionSchema.optional(),
}

const OnErrorSchema = z.enum(['fail', 'continue'])
const failing = {
  /**
   * `fail` (the default): a failure of the step ends the block it stands in, and in the end the run. `continue`: the
   * next step starts, and `steps.<name>.status` is `failed`, its `error` has `code` and `message`, its output is null.
   */
  on_error: OnErrorSchema.optional(),
}

const RetrySchema = z.strictObject({
  /** The first one included. */
  max_attempts: z.int().min(2).max(10),
  /** Wait before the second attempt; before each further one twice as long, at most an hour. */
  backoff: DurationSchema.default('10s'),
})

const calling = {
  ...step,
  ...failing,
  /**
   * Try the step again when it has failed. A lost connection needs none of this: calls are repeated by themselves
   * until `timeout`. This is for a tool that answered with an error (a writing one only if its `refusals` name
   * `isError`, for else it may have done something), and for a write that definitely failed or met a changed target: then it is
   * planned anew, with its own approval and receipt. A write whose outcome is unknown, and one that people or a
   * policy refused, is never tried again.
   */
  retry: RetrySchema.optional(),
  /** For one attempt of the step with all its calls; waiting for people does not count. */
  timeout: TimeoutSchema.default('1h'),
}

const WholeTemplateSchema = z
  .string()
  .max(4_000)
  .regex(/^\$\{\{[\s\S]*\}\}$/, 'must be an object, or one `${{ … }}` that gives one')

/** Calls a tool of an MCP server. The output is what the tool answers: its structured content, or else an object with `text` and `content`. `json(…)` in an expression reads JSON that is text. */
export const ToolCallStepSchema = z.strictObject({
  ...calling,
  tool_call: z.strictObject({
    connection: NameSchema,
    tool: z.string().min(1).max(128),
    /** Texts may hold `${{ … }}`; in place of the object may stand one `${{ … }}` that gives it. */
    arguments: z.union([JsonObjectSchema, WholeTemplateSchema]).default({}),
    /** A step may only raise the class: say that a call is a write though its server does not. */
    class: z.literal('write').optional(),
  }),
})

/** Changes one row of a database. A write that people or a policy refused fails the step. */
export const WritebackStepSchema = z.strictObject({
  ...calling,
  writeback: z.strictObject({ connection: NameSchema, update: SqlUpdateSchema }),
})

/**
 * Runs another automation, as it is at that moment, and waits for it: the output is its result, its failure is the
 * step's. The sub-run is a run like any other, asked for by whoever asked for this one. At most 8 runs deep.
 */
export const RunAutomationStepSchema = z.strictObject({
  ...step,
  ...failing,
  run_automation: z.strictObject({
    automation: NameSchema,
    /** Texts may hold `${{ … }}`. */
    input: JsonObjectSchema.default({}),
  }),
})

/**
 * Computes something: JavaScript in a sandbox without network, files and timers, with bounded time, memory and stack.
 * `ctx` is a copy of what expressions can name (`input`, `steps`, `run`, and in a loop `item` and `index`); what the
 * function gives back, as JSON, is the output. The clock stands at the moment when the step was scheduled, and chance is
 * seeded by run and path: tried again by Temporal, the code computes the same.
 */
export const CodeStepSchema = z.strictObject({
  ...step,
  ...failing,
  retry: RetrySchema.optional(),
  code: z.strictObject({
    /** A module: `export default async function (ctx) { … }`. */
    source: z
      .string()
      .min(1)
      .refine((source) => utf8Bytes(source) <= MAX_CODE_BYTES, 'is over 64 KB'),
    /** Of computing; waiting for a free thread, or for a processor, does not count. */
    timeout: DurationSchema.refine((text) => {
      const ms = durationMs(text)
      return ms >= 1 && ms <= MAX_CODE_TIMEOUT_MS
    }, 'must be between 1ms and 60s').default('5s'),
  }),
})

/**
 * Asks people, and waits for the answer of one of them, which is the output. It has to fit the form; one that does not is
 * refused, and may be given again. Without an answer in time the step fails as EXPIRED. Only persons answer; whoever
 * asked for the run may be one of them.
 */
export const AskStepSchema = z.strictObject({
  ...step,
  ...failing,
  ask: z.strictObject({
    /** Title and text may hold `${{ … }}`. */
    title: z.string().min(1).max(300),
    markdown: z.string().max(8_000).default(''),
    /** JSON Schema of the answer. */
    form: JsonObjectSchema,
    of: z
      .strictObject({
        roles: z.array(RoleSchema).max(20).default([]),
        people: z.array(PrincipalIdSchema).max(50).default([]),
      })
      .refine(({ roles, people }) => roles.length + people.length > 0, 'needs a role or a person'),
    expires_after: DurationSchema.refine((text) => durationMs(text) >= 1_000, 'is under a second').default(
      '7d',
    ),
    self_answer: z.boolean().default(true),
  }),
})

export type AskStepManifest = z.infer<typeof AskStepSchema>

/** Waits, for days if need be; costs nothing meanwhile. A time that has passed is no wait. */
export const SleepStepSchema = z.strictObject({
  ...step,
  ...failing,
  sleep: z.union([
    z.strictObject({
      for: DurationSchema,
    }),
    /** An expression for a timestamp or a text in ISO 8601 with a zone; such a text may also stand here as it is. */
    z.strictObject({ until: ExpressionSchema }),
  ]),
})

/** Ends the run with this result. Not inside `for_each` and `parallel`, where it would be a race. */
export const ReturnStepSchema = z.strictObject({ ...step, return: JsonSchema })

/** Fails with a code of the automation's own. At the top it ends the run; inside a block, the block. */
export const FailStepSchema = z.strictObject({
  ...step,
  fail: z.strictObject({
    code: z.string().regex(/^[A-Z][A-Z0-9_]{2,62}$/, 'must be upper case, such as OVER_BUDGET'),
    /** May hold `${{ … }}`. */
    message: z.string().min(1).max(2_000),
  }),
})

type LeafStep =
  | z.infer<typeof ToolCallStepSchema>
  | z.infer<typeof WritebackStepSchema>
  | z.infer<typeof RunAutomationStepSchema>
  | z.infer<typeof CodeStepSchema>
  | AskStepManifest
  | z.infer<typeof SleepStepSchema>
  | z.infer<typeof ReturnStepSchema>
  | z.infer<typeof FailStepSchema>

interface BlockStep {
  name: string
  if?: string | undefined
  on_error?: z.infer<typeof OnErrorSchema> | undefined
}

export interface ChooseStep extends BlockStep {
  choose: { branches: { when: string; steps: StepManifest[] }[]; otherwise?: StepManifest[] | undefined }
}

export interface ForEachStep extends BlockStep {
  for_each: { items: string; concurrency: number; steps: StepManifest[] }
}

export interface ParallelStep extends BlockStep {
  parallel: { branches: Record<string, StepManifest[]>; concurrency?: number | undefined }
}

export type StepManifest = LeafStep | ChooseStep | ForEachStep | ParallelStep

export const StepsSchema: z.ZodType<StepManifest[]> = z.lazy(() =>
  z.array(StepSchema).min(1).max(LIMITS.stepsPerRun),
)
const ConcurrencySchema = z.int().min(1).max(MAX_CONCURRENCY)

/**
 * The first branch whose `when` is true; without one, `otherwise`; without that the step is skipped. The output is that
 * of the branch's last step.
 */
export const ChooseStepSchema = z.strictObject({
  ...step,
  ...failing,
  choose: z.strictObject({
    branches: z
      .array(z.strictObject({ when: ExpressionSchema, steps: StepsSchema }))
      .min(1)
      .max(MAX_BRANCHES),
    otherwise: StepsSchema.optional(),
  }),
})

/**
 * The same steps for each item of a list of at most 1,000, a few at a time; `item` and `index` (from 0) can be named.
 * The output is the list of the last step's outputs. One that fails cancels the others, waits for them (a write that
 * waits for approval is withdrawn), and fails the loop; put `on_error: continue` on steps inside to go on instead. In a
 * loop inside a loop `item` is the inner one; what is needed of the outer one goes into the list: `item.lines.map(…)`.
 */
export const ForEachStepSchema = z.strictObject({
  ...step,
  ...failing,
  for_each: z.strictObject({
    items: ExpressionSchema,
    concurrency: ConcurrencySchema.default(DEFAULT_CONCURRENCY),
    steps: StepsSchema,
  }),
})

/**
 * Named branches side by side, all at once unless `concurrency` says fewer. The output has the output of each branch
 * under its name. A branch that fails ends the others as in `for_each`.
 */
export const ParallelStepSchema = z.strictObject({
  ...step,
  ...failing,
  parallel: z.strictObject({
    branches: z
      .record(StepNameSchema, StepsSchema)
      .refine((branches) => Object.keys(branches).length > 0, 'must have a branch')
      .refine(
        (branches) => Object.keys(branches).length <= MAX_BRANCHES,
        `has more than ${MAX_BRANCHES} branches`,
      ),
    concurrency: ConcurrencySchema.optional(),
  }),
})

export const StepSchema: z.ZodType<StepManifest> = z.lazy(() =>
  z.union([
    ToolCallStepSchema,
    WritebackStepSchema,
    RunAutomationStepSchema,
    CodeStepSchema,
    AskStepSchema,
    SleepStepSchema,
    ChooseStepSchema,
    ForEachStepSchema,
    ParallelStepSchema,
    ReturnStepSchema,
    FailStepSchema,
  ]),
)
