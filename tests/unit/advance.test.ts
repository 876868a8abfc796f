import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../lib/json.ts'
import { StepNameSchema } from '../../schemas/common.ts'
import type { Plan, PlanStep } from '../../schemas/run.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import { createRunState, type RunState, type StepState } from '../../workflows/interpreter/state.ts'

const plan = (...steps: PlanStep[]): Plan => ({ automation: 'late-fee', revision: 1, steps })
const start = (input: JsonValue = { n: 5 }): RunState => createRunState(input, { id: 'run_1' })

function step(name: string, over: Partial<Extract<PlanStep, { call: unknown }>> = {}): PlanStep {
  const call = { connection: 'billing', operation: 'get', arguments: {}, raisedToWrite: false }
  return { type: 'call', name, timeoutMs: 1_000, call, ...over }
}

const withArguments = (name: string, value: JsonValue): PlanStep =>
  step(name, {
    call: { connection: 'billing', operation: 'get', arguments: { value }, raisedToWrite: false },
  })

const TRIES = { attempt: 1, round: 1 }
const RUNNING: StepState = { status: 'running', tries: TRIES }
const settled = (state: RunState, block: Record<string, StepState>): RunState => ({ ...state, block })
const done = (output: JsonValue): StepState => ({ status: 'completed', output })
const starts = (over: object) => ({ kind: 'perform', start: [over] })

describe('the next thing to do', () => {
  it('is the first step, with its arguments resolved', () => {
    const { state, next } = advance(plan(withArguments('a', '${{ input.n }}'), step('b')), start())
    expect(next).toEqual({
      kind: 'perform',
      start: [
        {
          path: 'a',
          type: 'call',
          timeoutMs: 1_000,
          call: { connection: 'billing', operation: 'get', arguments: { value: 5 }, raisedToWrite: false },
          round: 1,
          delayMs: 0,
        },
      ],
      cancel: [],
    })
    expect(state.block).toEqual({ a: RUNNING })
  })

  it('is to wait while a step runs', () => {
    const before = settled(start(), { a: RUNNING })
    expect(advance(plan(step('a'), step('b')), before)).toEqual({ state: before, next: { kind: 'wait' } })
  })

  it('is the step after the one that has settled, which may name it', () => {
    const before = settled(start(), { a: done({ id: 7 }) })
    const { next } = advance(plan(step('a'), withArguments('b', '${{ steps.a.output.id }}')), before)
    expect(next).toMatchObject(starts({ path: 'b', call: { arguments: { value: 7 } } }))
  })

  it('is a writeback where the plan says so', () => {
    const { next } = advance(plan(step('a', { type: 'writeback' })), start())
    expect(next).toMatchObject(starts({ type: 'writeback' }))
  })

  it('is the end, with the output of the last step', () => {
    expect(advance(plan(step('a')), settled(start(), { a: done([1]) })).next).toEqual({
      kind: 'completed',
      output: [1],
    })
    expect(advance(plan(), start()).next).toEqual({ kind: 'completed', output: null })
  })

  it('is the failure of a step, with its place', () => {
    const error = { code: 'TOOL_FAILED', message: 'no' }
    const before = settled(start(), { a: { status: 'failed', output: null, error } })
    expect(advance(plan(step('a'), step('b')), before).next).toEqual({
      kind: 'failed',
      error: { code: 'TOOL_FAILED', message: 'step a: no' },
    })
  })

  it('leaves the state that came in as it was', () => {
    const before = start()
    advance(plan(step('a', { if: 'false' }), step('b')), before)
    expect(before.block).toEqual({})
  })
})

describe('one expression in place of the arguments', () => {
  const whole = (text: string): PlanStep =>
    step('a', { call: { connection: 'billing', operation: 'get', arguments: text, raisedToWrite: false } })

  it('gives them all', () => {
    const { next } = advance(plan(whole('${{ input }}')), start({ n: 5, list: [1] }))
    expect(next).toMatchObject(starts({ call: { arguments: { n: 5, list: [1] } } }))
  })

  it.each([
    ['${{ input.n }}', '5'],
    ['${{ [input.n] }}', 'a list of 1'],
    ['${{ null }}', 'null'],
  ])('fails where %s gives no object', (text, kind) => {
    expect(advance(plan(whole(text)), start()).next).toEqual({
      kind: 'failed',
      error: {
        code: 'EXPRESSION_FAILED',
        message: `step a: arguments: ${text} gives ${kind}, not an object`,
      },
    })
  })
})

describe('a condition', () => {
  it('skips the step, and the next one starts', () => {
    const { state, next } = advance(
      plan(step('a', { if: 'input.n > 5' }), step('b', { if: 'input.n == 5' })),
      start(),
    )
    expect(state.block).toEqual({ a: { status: 'skipped', output: null }, b: RUNNING })
    expect(next).toMatchObject(starts({ path: 'b' }))
  })

  it('of the last step leaves the output of the one before', () => {
    const before = settled(start(), { a: done('kept') })
    const { state, next } = advance(plan(step('a'), step('b', { if: 'false' })), before)
    expect(next).toEqual({ kind: 'completed', output: 'kept' })
    expect(advance(plan(step('a'), step('b', { if: 'false' })), state).next).toEqual(next)
  })

  it('may name a skipped step, whose output is null', () => {
    const before = settled(start(), { a: { status: 'skipped', output: null } })
    const condition = 'steps.a.output == null && steps.a.error == null && steps.a.status == "skipped"'
    expect(advance(plan(step('a'), step('b', { if: condition })), before).next).toMatchObject({
      kind: 'perform',
    })
  })

  it('may ask what became of a write', () => {
    const writeback = { id: 'wb_1', status: 'already_applied', receipt: 'rcp_1' } as const
    const before = settled(start(), { a: { status: 'completed', output: null, writeback } })
    const condition = 'steps.a.writeback.status == "already_applied"'
    expect(advance(plan(step('a'), step('b', { if: condition })), before).next).toMatchObject({
      kind: 'perform',
    })
  })

  it.each([
    [
      'that is neither true nor false',
      'input.n',
      'EXPRESSION_FAILED',
      'step a: if: input.n gives 5, not true or false',
    ],
    ['that names nothing', 'input.m == 1', 'UNRESOLVED_REFERENCE', 'step a: '],
    ['that names a step to come', 'steps.b.output == 1', 'UNRESOLVED_REFERENCE', 'step a: '],
    ['that fails', '1 / 0 == 1', 'EXPRESSION_FAILED', 'step a: '],
  ])('%s ends the run before any call', (_what, condition, code, message) => {
    const { next } = advance(plan(step('a', { if: condition }), step('b')), start())
    expect(next).toMatchObject({ kind: 'failed', error: { code } })
    expect((next as { error: { message: string } }).error.message).toContain(message)
  })
})

describe('a return', () => {
  it('ends the run with its value, and what comes after is not reached', () => {
    const ending: PlanStep = { type: 'return', name: 'end', value: { n: '${{ input.n }}' } }
    const { state, next } = advance(plan(ending, step('b')), start())
    expect(next).toEqual({ kind: 'completed', output: { n: 5 } })
    expect(state.block).toEqual({ end: { status: 'completed', output: { n: 5 }, ends: true } })
  })

  it('that is skipped does not', () => {
    const ending: PlanStep = { type: 'return', name: 'end', if: 'false', value: 1 }
    expect(advance(plan(ending, step('b')), start()).next).toMatchObject({ kind: 'perform' })
  })

  it('that cannot be resolved fails, with its place', () => {
    const ending: PlanStep = { type: 'return', name: 'end', value: '${{ steps.a.output }}' }
    expect(advance(plan(ending), start()).next).toMatchObject({
      kind: 'failed',
      error: { code: 'UNRESOLVED_REFERENCE', message: expect.stringContaining('step end: ') as string },
    })
  })
})

describe('steps with names that every object has', () => {
  it('are not taken for settled', () => {
    const { state, next } = advance(plan(step('constructor')), start())
    expect(next).toMatchObject(starts({ path: 'constructor' }))
    expect(advance(plan(step('constructor')), state).next).toEqual({ kind: 'wait' })
  })

  it('cannot be given: no expression could read them', () => {
    expect(StepNameSchema.safeParse('constructor').success).toBe(false)
    expect(StepNameSchema.safeParse('constructors').success).toBe(true)
  })
})

it('passes on what is not an error of ours', () => {
  const broken = step('a')
  Object.defineProperty(broken, 'call', {
    get: () => {
      throw new TypeError('a defect')
    },
  })
  expect(() => advance(plan(broken), start())).toThrow(TypeError)
})
