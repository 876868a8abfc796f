/** Compiles an automation revision to the plan that a run carries. Pure: the same revision gives the same plan. */
import { groupText } from '../lib/whom.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { durationMs } from './common.ts'
import type { AutomationSpec, SqlUpdate, StepManifest } from './manifests.ts'
import type { BlockStep, CallStep, Plan, PlanStep, SleepStep } from './planned.ts'

/** Something that begins like a day: never meant as the difference of three numbers. */
const PLAIN_TIME = /^\d{4}-\d\d?-\d\d?(?:$|[Tt]|\s+\d)/

export function compilePlan(automation: string, revision: number, spec: AutomationSpec): Plan {
  return { automation, revision, steps: compileSteps(spec.steps) }
}

function compileSteps(steps: readonly StepManifest[]): PlanStep[] {
  return steps.map(compileStep)
}

function compileStep(step: StepManifest): PlanStep {
  const { name } = step
  const condition = step.if === undefined ? {} : { if: step.if }
  if ('return' in step) return { type: 'return', name, ...condition, value: step.return as JsonValue }
  if ('fail' in step) return { type: 'fail', name, ...condition, ...step.fail }
  const common = { name, ...condition, ...(step.on_error === 'continue' ? { onError: step.on_error } : {}) }
  if ('tool_call' in step || 'writeback' in step) return compileCall(step, common)
  if ('run_automation' in step) {
    const { automation, input } = step.run_automation
    return { type: 'run_automation', ...common, automation, input: input as JsonObject }
  }
  if ('code' in step) {
    const { source, timeout } = step.code
    return { type: 'code', ...common, source, timeoutMs: durationMs(timeout), ...compileRetry(step.retry) }
  }
  if ('ask' in step) {
    const { title, markdown, expires_after, of } = step.ask
    const expiresAfterMs = durationMs(expires_after)
    return { type: 'ask', ...common, title, markdown, whom: groupText(of), expiresAfterMs }
  }
  if ('sleep' in step) return { type: 'sleep', ...common, sleep: compileSleep(step.sleep) }
  return compileBlock(step, common)
}

type Common = Pick<PlanStep, 'name' | 'if' | 'onError'>
export type CallManifest = Extract<StepManifest, { tool_call: unknown } | { writeback: unknown }>

function compileCall(step: CallManifest, common: Common): CallStep {
  const bounds = { timeoutMs: durationMs(step.timeout), ...compileRetry(step.retry) }
  const type = 'writeback' in step ? 'writeback' : 'call'
  return { type, ...common, ...bounds, call: compileCallOf(step) }
}

/** What the step calls, its expressions as they are written. */
export function compileCallOf(step: CallManifest): CallStep['call'] {
  if ('writeback' in step) {
    const { connection, update } = step.writeback
    return { connection, operation: 'update', arguments: updateArguments(update), raisedToWrite: true }
  }
  const { connection, tool, arguments: toolArguments, class: declaredClass } = step.tool_call
  return {
    connection,
    operation: tool,
    arguments: toolArguments as JsonObject | string,
    raisedToWrite: declaredClass === 'write',
  }
}

function compileRetry(retry: CallManifest['retry']): Pick<CallStep, 'retry'> {
  if (!retry) return {}
  return { retry: { maxAttempts: retry.max_attempts, backoffMs: durationMs(retry.backoff) } }
}

function compileSleep(sleep: { for: string } | { until: string }): SleepStep['sleep'] {
  if ('for' in sleep) return { forMs: durationMs(sleep.for) }
  return { until: untilExpression(sleep.until) }
}

/** A time stands for itself; a day without one too, and is refused as such. */
export function untilExpression(until: string): string {
  return PLAIN_TIME.test(until.trim()) ? JSON.stringify(until.trim()) : until
}

type BlockManifest = Extract<
  StepManifest,
  { choose: unknown } | { for_each: unknown } | { parallel: unknown }
>

function compileBlock(step: BlockManifest, common: Common): BlockStep {
  if ('choose' in step) {
    const { branches, otherwise } = step.choose
    return {
      type: 'choose',
      ...common,
      branches: branches.map(({ when, steps }) => ({ when, steps: compileSteps(steps) })),
      ...(otherwise && { otherwise: compileSteps(otherwise) }),
    }
  }
  if ('for_each' in step) {
    const { items, concurrency, steps } = step.for_each
    return { type: 'for_each', ...common, items, concurrency, steps: compileSteps(steps) }
  }
  const { branches, concurrency } = step.parallel
  const compiled = Object.entries(branches).map(([key, steps]) => [key, compileSteps(steps)] as const)
  return {
    type: 'parallel',
    ...common,
    concurrency: concurrency ?? compiled.length,
    branches: Object.fromEntries(compiled),
  }
}

function updateArguments(update: SqlUpdate): JsonObject {
  const { table, key, guard, set } = update
  return { table, key: key as JsonObject, guard: guard as JsonObject, set: set as JsonObject }
}
