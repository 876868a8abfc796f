/** Sizes of values, and where a run has grown too large. */
import { describe, expect, it } from 'vitest'
import { excessOf } from '../../lib/json-shape.ts'
import type { JsonValue } from '../../lib/json.ts'
import { jsonBytes, LIMITS, sizeOf, utf8Bytes } from '../../lib/limits.ts'
import type { PlanStep } from '../../schemas/planned.ts'
import type { Plan } from '../../schemas/run.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import { historyProblem, keepable } from '../../workflows/interpreter/limits.ts'
import { createRunState, settle, type RunState, type SettledStep } from '../../workflows/interpreter/state.ts'
import { chanceOf } from '../chaos/random.ts'
import { callStep, completed, forEach, planOf, play, settleStep } from '../support/plans.ts'
import { randomValue } from '../support/random-values.ts'

const text = (bytes: number): string => 'x'.repeat(bytes - 2)
const start = (input: JsonValue = {}): RunState => createRunState(input, {})

describe('the size of a value', () => {
  it.each<JsonValue>([
    null,
    true,
    12.5,
    '',
    'abc',
    'ünïcödé €',
    '😀',
    [],
    [1, [2]],
    {},
    { a: 'ö', b: [null, {}] },
  ])('of %j is about that of its JSON', (value) => {
    const exact = Buffer.byteLength(JSON.stringify(value))
    expect(jsonBytes(value)).toBeGreaterThanOrEqual(exact)
    expect(jsonBytes(value)).toBeLessThanOrEqual(exact + 4)
  })

  it.each<[JsonValue, number]>([
    [null, 1],
    ['a,b:[', 1],
    [[], 1],
    [[[], []], 3],
    [[1, [2]], 4],
    [{ a: 1, b: { c: [] } }, 7],
  ])('of %j counts %i values and names, as its text does', (value, parts) => {
    expect(sizeOf(value).parts).toBe(parts)
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
      expect(excessOf(text, { depth: 9, parts })).toBeNull()
      expect(excessOf(text, { depth: 9, parts: parts - 1 })).toBe('parts')
    }
  })

  it('in values and names is that of its text, whatever it is', () => {
    for (let seed = 1; seed <= 2_000; seed++) {
      const { value } = randomValue(chanceOf(`parts ${seed}`), { odd: true, depth: 4 })
      const { parts } = sizeOf(value)
      for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
        expect([seed, excessOf(text, { depth: 9, parts })]).toEqual([seed, null])
        expect([seed, excessOf(text, { depth: 9, parts: parts - 1 })]).toEqual([seed, 'parts'])
      }
    }
  })

  it('in depth is that of its text, whatever stands in texts', () => {
    expect(excessOf('[["[[[\\"["]]', { depth: 2, parts: 9 })).toBeNull()
    expect(excessOf('[[[]]]', { depth: 2, parts: 9 })).toBe('depth')
  })

  it.each(['', 'a', 'é', '€', '😀', 'a😀é€'])('of the text %j is that in UTF-8', (value) => {
    expect(utf8Bytes(value)).toBe(Buffer.byteLength(value))
  })
})

describe('the work of the expressions of a run', () => {
  const input = { words: Array.from({ length: 50 }, () => 'aaaaaaab'), text: 'a'.repeat(100_000) }
  const look = (name: string): PlanStep =>
    callStep(name, '${{ input.words.exists(w, input.text.contains(w)) }}')

  it('is bounded together, and the run fails at the one that would be too much', () => {
    const names = Array.from({ length: 12 }, (_, index) => `look${index}`)
    const plan = planOf(...names.map(look))
    let now = play(plan, input)
    for (const name of names.slice(0, 7)) now = settleStep(plan, now, name, completed(null))
    expect(now.next).toEqual({
      kind: 'failed',
      error: { code: 'EXPRESSION_TOO_COSTLY', message: expect.stringContaining('input.words.exists') },
    })
    expect(now.log.filter((line) => line.startsWith('start'))).toHaveLength(7)
  })

  it('is the same when it is replayed', () => {
    const plan = planOf(look('a'), look('b'))
    const once = play(plan, input).state.workLeft
    expect(play(plan, input).state.workLeft).toBe(once)
    expect(once).toBeLessThan(createRunState(input, {}).workLeft - 25_000_000)
  })
})

describe('a run', () => {
  const call = { connection: 'tools', operation: 'look', arguments: {}, raisedToWrite: false }
  const plan = (count: number): Plan => ({
    automation: 'long',
    revision: 1,
    steps: Array.from({ length: count }, (_, i) => ({ type: 'call', name: `s${i}`, timeoutMs: 1_000, call })),
  })
  const after = (count: number, status: 'completed' | 'skipped'): RunState => ({
    ...start(),
    begun: status === 'completed' ? count : 0,
    block: Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`s${i}`, { status, output: null }] as const),
    ),
  })
  const settled = (state: RunState, name: string, step: SettledStep): RunState => {
    const block = { ...state.block, [name]: { status: 'running', tries: { attempt: 1, round: 1 } } as const }
    return settle({ ...state, block, underWay: state.underWay + 1 }, name, step)
  }

  it('executes 500 steps and no more', () => {
    expect(advance(plan(501), after(499, 'completed')).next).toMatchObject({ kind: 'perform' })
    expect(advance(plan(501), after(500, 'completed')).next).toMatchObject({
      kind: 'failed',
      error: { code: 'LIMIT_EXCEEDED', message: 'step s500: a run takes 500 steps outside of loops' },
    })
  })

  it('does not count what it skips', () => {
    expect(advance(plan(501), after(500, 'skipped')).next).toMatchObject({ kind: 'perform' })
  })

  it('takes an input of 4 MB', () => {
    expect(advance(plan(1), start(text(LIMITS.valueBytes))).next).toMatchObject({ kind: 'perform' })
    expect(advance(plan(1), start(text(LIMITS.valueBytes + 1))).next).toMatchObject({
      kind: 'failed',
      error: { code: 'VALUE_TOO_LARGE' },
    })
  })

  it('keeps outputs of 4 MB, and of 16 MB together with its input', () => {
    const ended = (bytes: number) => ({ status: 'completed' as const, output: text(bytes) })
    expect(keepable(start(), ended(LIMITS.valueBytes))).toMatchObject({ status: 'completed' })
    expect(keepable(start(), ended(LIMITS.valueBytes + 1))).toMatchObject({
      status: 'failed',
      output: null,
      error: { code: 'VALUE_TOO_LARGE', message: 'the output: 4.0 MB, at most 4.0 MB' },
    })
    const full = [1, 2, 3].reduce(
      (state, i) => settled(state, `s${i}`, ended(LIMITS.valueBytes)),
      start(text(LIMITS.valueBytes - 100)),
    )
    expect(keepable(full, ended(100))).toMatchObject({ status: 'completed' })
    expect(keepable(full, ended(101))).toMatchObject({ error: { code: 'VALUE_TOO_LARGE' } })
  })

  it('keeps 100,000 values and names in one output, and 400,000 together', () => {
    const ended = (parts: number) => ({
      status: 'completed' as const,
      output: Array<JsonValue>(parts - 1).fill(0),
    })
    expect(keepable(start(), ended(LIMITS.valueParts))).toMatchObject({ status: 'completed' })
    expect(keepable(start(), ended(LIMITS.valueParts + 1))).toMatchObject({
      status: 'failed',
      error: { message: 'the output: 100001 values and names, at most 100000' },
    })
    const full = [1, 2, 3].reduce(
      (state, i) => settled(state, `s${i}`, ended(LIMITS.valueParts)),
      start(ended(LIMITS.valueParts - 10).output),
    )
    expect(keepable(full, ended(10))).toMatchObject({ status: 'completed' })
    expect(keepable(full, ended(11))).toMatchObject({ error: { code: 'VALUE_TOO_LARGE' } })
  })

  it('ends a loop whose results are too large for one value, though each of them is kept', () => {
    const part = text(LIMITS.valueBytes / 4)
    const plan = planOf(forEach('each', 'input.items', [callStep('a')], 5))
    const many = (count: number) => {
      let now = play(plan, { items: Array<number>(count).fill(0) })
      for (let i = 0; i < count; i++) now = settleStep(plan, now, `each[${i}].a`, completed(part))
      return now.next
    }
    expect(many(3)).toMatchObject({ kind: 'completed' })
    expect(many(5)).toMatchObject({
      kind: 'failed',
      error: { code: 'VALUE_TOO_LARGE', message: 'step each: the output: 5.0 MB, at most 4.0 MB' },
    })
  })

  it('remembers the write behind an output that it cannot keep', () => {
    const writeback = { id: 'wb_1', status: 'applied' as const, receipt: 'rcpt_1' }
    const much = { status: 'completed' as const, output: text(LIMITS.valueBytes + 1), writeback }
    expect(keepable(start(), much)).toMatchObject({ status: 'failed', writeback })
    const failed = { status: 'failed' as const, output: null, error: { code: 'TOOL_FAILED', message: '' } }
    expect(keepable(start(), failed)).toBe(failed)
  })

  it('goes on up to 20,000 events and 20 MB of history', () => {
    const { historyEvents: historyLength, historyBytes: historySize } = LIMITS
    expect(historyProblem({ historyLength, historySize })).toBeNull()
    expect(historyProblem({ historyLength: historyLength + 1, historySize })).toMatchObject({
      code: 'RUN_TOO_LARGE',
    })
    expect(historyProblem({ historyLength, historySize: historySize + 1 })).toMatchObject({
      code: 'RUN_TOO_LARGE',
    })
  })
})
