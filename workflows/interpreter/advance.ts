/**
 * What a run does next. Pure: a plan and a state in; the state after every step that needs nobody (skipped ones), and
 * the next thing to do, out. The workflow performs it, settles the step, and asks again.
 */
import { evaluateExpression, type Scope } from '../../lib/cel.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { resolveTemplates } from '../../lib/templates.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Plan, PlannedCall, PlanStep } from '../../schemas/run.ts'
import { assertMayStart, assertValueSize } from './limits.ts'
import { withStep, type RunState, type StepError } from './state.ts'

/** A step whose expressions are resolved: ready to be performed. */
export interface ReadyStep {
  path: string
  type: 'call' | 'writeback'
  call: PlannedCall
  timeoutMs: number
}

export type Next =
  | { kind: 'start'; steps: ReadyStep[] }
  | { kind: 'wait' }
  | { kind: 'completed'; output: JsonValue }
  | { kind: 'failed'; error: StepError }

export interface Advanced {
  state: RunState
  next: Next
}

export function advance(plan: Plan, state: RunState): Advanced {
  try {
    if (Object.keys(state.steps).length === 0) assertValueSize('the input', state.input)
    return advanceBlock(plan.steps, '', state)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return { state, next: { kind: 'failed', error: { code: error.code, message: error.message } } }
  }
}

/** Steps of one block run one after the other. `prefix` is the path of the block, empty at the top. */
function advanceBlock(steps: readonly PlanStep[], prefix: string, before: RunState): Advanced {
  let state = before
  let output: JsonValue = null
  for (const step of steps) {
    const path = prefix + step.name
    const known = state.steps[path]
    switch (known?.status) {
      case 'running':
        return { state, next: { kind: 'wait' } }
      case 'failed':
        return { state, next: { kind: 'failed', error: atPath(path, known.error) } }
      case 'completed':
        output = known.output
        break
      case 'skipped':
        break
      case undefined: {
        const moved = enter(step, path, state)
        if (moved.next) return { state: moved.state, next: moved.next }
        state = moved.state
        break
      }
      default:
        known satisfies never
    }
  }
  return { state, next: { kind: 'completed', output } }
}

/** `next` is absent when the step was skipped, and the block goes on. */
function enter(step: PlanStep, path: string, state: RunState): { state: RunState; next?: Next } {
  return locating(path, () => {
    const scope = scopeOf(state)
    if (step.if !== undefined && !isTrue(step.if, scope)) {
      return { state: withStep(state, path, { status: 'skipped', output: null }) }
    }
    if (step.type === 'return') {
      const output = resolveTemplates(step.value, scope)
      assertValueSize('the result', output)
      return { state, next: { kind: 'completed', output } }
    }
    assertMayStart(state)
    const call = { ...step.call, arguments: resolveTemplates(step.call.arguments, scope) as JsonObject }
    assertValueSize('the arguments', call.arguments)
    const ready: ReadyStep = { path, type: step.type, call, timeoutMs: step.timeoutMs }
    return { state: withStep(state, path, { status: 'running' }), next: { kind: 'start', steps: [ready] } }
  })
}

function isTrue(expression: string, scope: Scope): boolean {
  const value = evaluateExpression(expression, scope)
  if (typeof value === 'boolean') return value
  throw new CodedError(
    'EXPRESSION_FAILED',
    `if: ${expression} gives ${JSON.stringify(value)}, not true or false`,
  )
}

/** Only what has settled can be named. */
function scopeOf(state: RunState): Scope {
  const settled = Object.entries(state.steps).filter(([, step]) => step.status !== 'running')
  const steps = Object.fromEntries(
    settled.map(([path, step]) => [path, { error: null, writeback: null, ...step }]),
  )
  return { input: state.input, run: state.run, steps: steps as unknown as JsonObject }
}

function locating<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    throw new CodedError(error.code, `step ${path}: ${error.message}`)
  }
}

function atPath(path: string, error: StepError): StepError {
  return { code: error.code, message: `step ${path}: ${error.message}` }
}
