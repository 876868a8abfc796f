/** Plans for tests of the interpreter, and a stand-in for the outside that settles what was started, in any order. */
import type { JsonValue } from '../../lib/json.ts'
import type { CallStep, Plan, PlanStep } from '../../schemas/planned.ts'
import { advance, type Next } from '../../workflows/interpreter/advance.ts'
import { createRunState, settle, type RunState, type SettledStep } from '../../workflows/interpreter/state.ts'

export const planOf = (...steps: PlanStep[]): Plan => ({ automation: 'late-fee', revision: 1, steps })

export function callStep(name: string, value: JsonValue = null, over: Partial<CallStep> = {}): CallStep {
  const call = { connection: 'billing', operation: 'get', arguments: { value }, raisedToWrite: false }
  return { type: 'call', name, timeoutMs: 1_000, call, ...over }
}

export function forEach(name: string, items: string, steps: PlanStep[], concurrency = 5): PlanStep {
  return { type: 'for_each', name, items, concurrency, steps }
}

export function parallel(name: string, branches: Record<string, PlanStep[]>, concurrency = 20): PlanStep {
  return { type: 'parallel', name, branches, concurrency }
}

export const completed = (output: JsonValue): SettledStep => ({ status: 'completed', output })
export const failed = (code = 'TOOL_FAILED'): SettledStep => ({
  status: 'failed',
  output: null,
  error: { code, message: 'no' },
})
export const CUT = failed('CANCELLED')

/** A run that is played by hand. What the interpreter says is kept in `log`, in its order. */
export interface Play {
  state: RunState
  next: Next
  /** Paths under way, in the order of their start. */
  underWay: string[]
  /** Values of the argument `value`, by path. */
  values: Record<string, JsonValue>
  log: string[]
}

export function play(plan: Plan, input: JsonValue = {}): Play {
  const state = createRunState(input, { id: 'run_1' })
  return ask(plan, { state, next: { kind: 'wait' }, underWay: [], values: {}, log: [] })
}

export function settleStep(plan: Plan, before: Play, path: string, settled: SettledStep): Play {
  const state = settle(before.state, path, settled)
  return ask(plan, { ...before, state, underWay: before.underWay.filter((other) => other !== path) })
}

/** Until there is nothing more to be done at this moment. */
function ask(plan: Plan, before: Play): Play {
  const now = {
    ...before,
    underWay: [...before.underWay],
    values: { ...before.values },
    log: [...before.log],
  }
  for (;;) {
    const { state, next } = advance(plan, now.state)
    now.state = state
    now.next = next
    if (next.kind !== 'perform') {
      now.log.push(next.kind)
      return now
    }
    for (const path of next.cancel) now.log.push(`cancel ${path}`)
    for (const step of next.start) {
      now.underWay.push(step.path)
      now.log.push(`start ${step.path}`)
      if ('call' in step) now.values[step.path] = step.call.arguments['value'] ?? null
    }
  }
}
