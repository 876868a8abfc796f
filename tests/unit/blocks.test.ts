/** Choices, loops and branches, as the interpreter goes through them. */
import { describe, expect, it } from 'vitest'
import type { PlanStep } from '../../schemas/planned.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import { createRunState, settle, stepsByPath } from '../../workflows/interpreter/state.ts'
import {
  callStep,
  completed,
  CUT,
  failed,
  forEach,
  parallel,
  planOf,
  play,
  settleStep,
  type Play,
} from '../support/plans.ts'

const end = (value: string): PlanStep => ({ type: 'return', name: 'end', value })
const statuses = ({ state }: Play): Record<string, string> =>
  Object.fromEntries(Object.entries(stepsByPath(state)).map(([path, { status }]) => [path, status]))

describe('a choice', () => {
  const choice: PlanStep = {
    type: 'choose',
    name: 'pick',
    branches: [
      { when: 'input.n > 10', steps: [callStep('big')] },
      { when: 'input.n > 5', steps: [callStep('middle'), callStep('more', '${{ steps.middle.output }}')] },
      { when: 'input.n > 2', steps: [callStep('never')] },
    ],
    otherwise: [callStep('small')],
  }

  it.each([
    [11, 'pick[0].big'],
    [6, 'pick[1].middle'],
    [1, 'pick.otherwise.small'],
  ])('takes the first branch that holds: %i goes to %s', (n, path) => {
    expect(play(planOf(choice), { n }).underWay).toEqual([path])
  })

  it('has the output of its last step, and what was inside cannot be named any more', () => {
    const plan = planOf(choice, callStep('after', '${{ steps.pick.output }}'), end('${{ steps.middle }}'))
    let now = settleStep(plan, play(plan, { n: 6 }), 'pick[1].middle', completed('m'))
    expect(now.values['pick[1].more']).toBe('m')
    now = settleStep(plan, now, 'pick[1].more', completed('o'))
    expect(now.values['after']).toBe('o')
    now = settleStep(plan, now, 'after', completed(null))
    expect(now.next).toMatchObject({ kind: 'failed', error: { code: 'UNRESOLVED_REFERENCE' } })
  })

  it('is skipped if nothing holds and nothing is said otherwise', () => {
    const { otherwise: _none, ...without } = choice
    const now = play(planOf(callStep('first'), without, end('${{ steps.pick.status }}')), { n: 1 })
    const { next } = settleStep(
      planOf(callStep('first'), without, end('${{ steps.pick.status }}')),
      now,
      'first',
      completed(1),
    )
    expect(next).toEqual({ kind: 'completed', output: 'skipped' })
  })

  it('may end the run from inside', () => {
    const inner: PlanStep = { type: 'choose', name: 'pick', branches: [{ when: 'true', steps: [end('x')] }] }
    expect(play(planOf(inner, callStep('never'))).next).toEqual({ kind: 'completed', output: 'x' })
  })

  it('fails where a condition is neither true nor false', () => {
    const odd: PlanStep = { type: 'choose', name: 'pick', branches: [{ when: '1', steps: [end('x')] }] }
    expect(play(planOf(odd)).next).toEqual({
      kind: 'failed',
      error: { code: 'EXPRESSION_FAILED', message: 'step pick: when: 1 gives 1, not true or false' },
    })
  })

  it('fails with its branch', () => {
    const now = settleStep(planOf(choice), play(planOf(choice), { n: 11 }), 'pick[0].big', failed())
    expect(now.next).toEqual({
      kind: 'failed',
      error: { code: 'TOOL_FAILED', message: 'step pick[0].big: no' },
    })
  })
})

describe('a loop', () => {
  const loop = planOf(
    callStep('outer'),
    forEach(
      'each',
      'input.items',
      [callStep('a', '${{ [item, index, steps.outer.output] }}'), callStep('b', '${{ steps.a.output }}')],
      2,
    ),
    end('${{ steps.each.output }}'),
  )
  const begin = (items: unknown[]): Play =>
    settleStep(loop, play(loop, { items: items as never }), 'outer', completed('o'))

  it('has so many items under way as it may, each with its item, its index and what came before', () => {
    const now = begin(['x', 'y', 'z'])
    expect(now.underWay).toEqual(['each[0].a', 'each[1].a'])
    expect(now.values).toMatchObject({ 'each[0].a': ['x', 0, 'o'], 'each[1].a': ['y', 1, 'o'] })
  })

  it('begins the next item when one has ended, and gives the outputs in the order of the items', () => {
    let now = begin(['x', 'y', 'z'])
    now = settleStep(loop, now, 'each[1].a', completed('a1'))
    expect(now.underWay).toEqual(['each[0].a', 'each[1].b'])
    now = settleStep(loop, now, 'each[1].b', completed('b1'))
    expect(now.underWay).toEqual(['each[0].a', 'each[2].a'])
    for (const path of ['each[2].a', 'each[2].b', 'each[0].a', 'each[0].b'])
      now = settleStep(loop, now, path, completed(path))
    expect(now.next).toEqual({ kind: 'completed', output: ['each[0].b', 'b1', 'each[2].b'] })
    expect(statuses(now)).toMatchObject({ each: 'completed', 'each[1].b': 'completed' })
  })

  it('of nothing is an empty list', () => {
    expect(begin([]).next).toEqual({ kind: 'completed', output: [] })
  })

  it.each([
    ['what is no list', { items: 5 }, 'EXPRESSION_FAILED', 'items: input.items gives 5, not a list'],
    ['an object', { items: {} }, 'EXPRESSION_FAILED', 'gives an object, not a list'],
    ['too much', { items: Array<number>(1_001).fill(0) }, 'LIMIT_EXCEEDED', 'a list of 1001'],
  ])('over %s fails', (_what, input, code, message) => {
    const now = settleStep(loop, play(loop, input), 'outer', completed(null))
    expect(now.next).toMatchObject({ kind: 'failed', error: { code } })
    expect((now.next as { error: { message: string } }).error.message).toContain(message)
  })

  it('in loops takes 10,000 items altogether', () => {
    const inner = forEach('inner', 'input.items', [callStep('a', null, { if: 'false' })], 20)
    const plan = planOf(forEach('outer', 'input.items', [inner], 20))
    const items = Array<number>(100).fill(0)
    expect(play(plan, { items: items.slice(0, 99) }).next).toMatchObject({ kind: 'completed' })
    expect(play(plan, { items }).next).toMatchObject({ kind: 'failed', error: { code: 'LIMIT_EXCEEDED' } })
  })

  it('inside a loop sees its own item', () => {
    const inner = forEach('inner', 'item', [callStep('a', '${{ [item, index] }}')])
    const now = play(planOf(forEach('outer', 'input.items', [inner])), { items: [['x'], ['y', 'z']] })
    expect(now.values).toEqual({
      'outer[0].inner[0].a': ['x', 0],
      'outer[1].inner[0].a': ['y', 0],
      'outer[1].inner[1].a': ['z', 1],
    })
  })

  it('that fails cancels the others and waits for them, and only then the run fails, by the first failure', () => {
    let now = begin(['x', 'y', 'z'])
    now = settleStep(loop, now, 'each[1].a', failed())
    expect(now.log.slice(-2)).toEqual(['cancel each[0].a', 'wait'])
    now = settleStep(loop, now, 'each[0].a', completed('it was too late to cancel'))
    expect(now.next).toEqual({
      kind: 'failed',
      error: { code: 'TOOL_FAILED', message: 'step each[1].a: no' },
    })
    expect(now.log.filter((line) => line.startsWith('start each[2]'))).toEqual([])
  })

  it('goes on where steps inside continue after an error, and the output of such an item is null', () => {
    const plan = planOf(forEach('each', 'input.items', [callStep('a', null, { onError: 'continue' })]))
    let now = play(plan, { items: [1, 2] })
    now = settleStep(plan, now, 'each[0].a', failed())
    now = settleStep(plan, now, 'each[1].a', completed('y'))
    expect(now.next).toEqual({ kind: 'completed', output: [null, 'y'] })
  })
})

describe('branches side by side', () => {
  it('all begin at once, and their outputs are told by name', () => {
    const plan = planOf(parallel('fan', { left: [callStep('a')], right: [callStep('a')] }))
    let now = play(plan)
    expect(now.underWay).toEqual(['fan.left.a', 'fan.right.a'])
    now = settleStep(plan, now, 'fan.right.a', completed(2))
    now = settleStep(plan, now, 'fan.left.a', completed(1))
    expect(now.next).toEqual({ kind: 'completed', output: { left: 1, right: 2 } })
  })

  it('begin as many as they may', () => {
    const plan = planOf(
      parallel(
        'fan',
        { a: [callStep('s')], b: [callStep('s', null, { if: 'false' })], c: [callStep('s')] },
        1,
      ),
    )
    let now = play(plan)
    expect(now.underWay).toEqual(['fan.a.s'])
    now = settleStep(plan, now, 'fan.a.s', completed(1))
    expect(now.underWay).toEqual(['fan.c.s'])
    now = settleStep(plan, now, 'fan.c.s', completed(3))
    expect(now.next).toEqual({ kind: 'completed', output: { a: 1, b: null, c: 3 } })
  })

  it('do not begin anything in the turn in which one of them fails', () => {
    const plan = planOf(
      parallel('fan', { a: [callStep('s'), callStep('t')], b: [callStep('s', '${{ input.nothing }}')] }),
    )
    const now = play(plan)
    expect(now.log).toEqual(['failed'])
    expect(now.state).toMatchObject({ underWay: 0, begun: 1 })
  })

  it('settle together: what one would begin when another has failed in the same turn is not begun', () => {
    const plan = planOf(parallel('fan', { a: [callStep('s'), callStep('t')], b: [callStep('s')] }))
    let { state } = advance(plan, createRunState({}, {}))
    state = settle(settle(state, 'fan.a.s', completed(1)), 'fan.b.s', failed())
    expect(advance(plan, state).next).toMatchObject({
      kind: 'failed',
      error: { message: 'step fan.b.s: no' },
    })
  })

  it('may stand in each other: a failure inside is contained where somebody continues', () => {
    const inner = parallel('inner', { x: [callStep('s')], y: [callStep('s')] })
    const plan = planOf(
      parallel('outer', {
        a: [{ ...inner, onError: 'continue' }, callStep('t', '${{ steps.inner.error.code }}')],
        b: [callStep('s')],
      }),
    )
    let now = play(plan)
    now = settleStep(plan, now, 'outer.a.inner.x.s', failed())
    expect(now.log.slice(-2)).toEqual(['cancel outer.a.inner.y.s', 'wait'])
    now = settleStep(plan, now, 'outer.a.inner.y.s', CUT)
    expect(now.underWay).toEqual(['outer.b.s', 'outer.a.t'])
    expect(now.values['outer.a.t']).toBe('TOOL_FAILED')
  })

  it('that are cut off from outside do not stay open for whoever looks', () => {
    const inner = parallel('inner', { x: [callStep('s')], y: [callStep('s'), callStep('t')] })
    const plan = planOf(parallel('outer', { a: [inner], b: [callStep('s')] }))
    let now = settleStep(plan, play(plan), 'outer.b.s', failed())
    expect(now.log.slice(-3)).toEqual(['cancel outer.a.inner.x.s', 'cancel outer.a.inner.y.s', 'wait'])
    now = settleStep(plan, now, 'outer.a.inner.x.s', CUT)
    now = settleStep(plan, now, 'outer.a.inner.y.s', completed(1))
    expect(now.next).toMatchObject({ kind: 'failed', error: { message: 'step outer.b.s: no' } })
    expect(Object.values(statuses(now))).not.toContain('running')
  })

  it('cancel what is inside of a branch that was failing already, once', () => {
    const inner = parallel('inner', { x: [callStep('s')], y: [callStep('s')] })
    const plan = planOf(parallel('outer', { a: [inner], b: [callStep('s')] }))
    let now = settleStep(plan, play(plan), 'outer.a.inner.x.s', failed())
    now = settleStep(plan, now, 'outer.b.s', failed('RESULT_TOO_LARGE'))
    now = settleStep(plan, now, 'outer.a.inner.y.s', CUT)
    expect(now.next).toMatchObject({ kind: 'failed', error: { code: 'RESULT_TOO_LARGE' } })
  })
})

describe('a failure', () => {
  const plan = planOf(
    callStep('a', null, { onError: 'continue' }),
    callStep('b', '${{ [steps.a.status, steps.a.output, steps.a.error.code] }}'),
  )

  it('that is to be continued after can be named', () => {
    const now = settleStep(plan, play(plan), 'a', failed())
    expect(now.values['b']).toEqual(['failed', null, 'TOOL_FAILED'])
  })

  it('of an expression is one of its step too', () => {
    const broken = planOf(callStep('a', '${{ input.nothing }}', { onError: 'continue' }), callStep('b'))
    const now = play(broken)
    expect(now.underWay).toEqual(['b'])
    expect(stepsByPath(now.state)['a']).toMatchObject({ error: { code: 'UNRESOLVED_REFERENCE' } })
  })

  it('can have a code and a text of the automation’s own', () => {
    const stop: PlanStep = {
      type: 'fail',
      name: 'stop',
      code: 'OVER_BUDGET',
      message: 'over by ${{ input.n }}',
    }
    expect(play(planOf(stop, callStep('b')), { n: 5 }).next).toEqual({
      kind: 'failed',
      error: { code: 'OVER_BUDGET', message: 'step stop: over by 5' },
    })
    const whole: PlanStep = { ...stop, message: '${{ input.n }}' }
    expect(play(planOf(whole), { n: 5 }).next).toMatchObject({ error: { message: 'step stop: 5' } })
  })
})

describe('sleeping, and running something else', () => {
  const start = (step: PlanStep, input = {}) => {
    const { next } = advance(planOf(step), createRunState(input, {}))
    return next.kind === 'perform' ? next.start[0] : next
  }

  it('are told to the outside with everything resolved', () => {
    expect(start({ type: 'sleep', name: 'nap', sleep: { forMs: 5 } })).toEqual({
      path: 'nap',
      type: 'sleep',
      sleep: { forMs: 5 },
    })
    const until: PlanStep = {
      type: 'sleep',
      name: 'nap',
      sleep: { until: 'timestamp(input.at) + duration("1h")' },
    }
    expect(start(until, { at: '2026-10-01T12:00:00Z' })).toMatchObject({
      sleep: { untilMs: Date.parse('2026-10-01T13:00:00Z') },
    })
    const run: PlanStep = {
      type: 'run_automation',
      name: 'sub',
      automation: 'x',
      input: { n: '${{ input.n }}' },
    }
    expect(start(run, { n: 1 })).toEqual({
      path: 'sub',
      type: 'run_automation',
      automation: 'x',
      input: { n: 1 },
    })
  })

  it.each(['"tomorrow"', '5', 'null', '"2026-10-01T12:00:00"', '"2026-99-01T12:00:00Z"'])(
    'until %s is no time',
    (until) => {
      expect(start({ type: 'sleep', name: 'nap', sleep: { until } })).toMatchObject({
        kind: 'failed',
        error: { code: 'EXPRESSION_FAILED' },
      })
    },
  )
})

describe('limits', () => {
  it('are 500 steps outside of loops', () => {
    const many = Array.from({ length: 501 }, (_, index): PlanStep => ({
      ...parallel(`s${index}`, { only: [callStep('x', null, { if: 'false' })] }),
    }))
    expect(play(planOf(...many.slice(0, 500))).next).toMatchObject({ kind: 'completed' })
    expect(play(planOf(...many)).next).toMatchObject({ kind: 'failed', error: { code: 'LIMIT_EXCEEDED' } })
  })

  it('are 100 steps under way, however loops stand in each other; the others wait for their turn', () => {
    const inner = forEach('inner', 'input.items', [callStep('a')], 20)
    const plan = planOf(forEach('outer', 'input.items', [inner], 20))
    let now = play(plan, { items: Array<number>(20).fill(0) })
    expect(now.underWay).toHaveLength(100)
    now = settleStep(plan, now, now.underWay[0] ?? '', completed(1))
    expect(now.underWay).toHaveLength(100)
    while (now.underWay.length > 0) now = settleStep(plan, now, now.underWay[0] ?? '', completed(1))
    expect(now.next).toMatchObject({ kind: 'completed' })
  })
})

it('refuses to settle what is not under way', () => {
  const now = play(planOf(parallel('fan', { a: [callStep('s')] })))
  for (const path of ['nobody', 'fan', 'fan.b.s', 'fan.a.t'])
    expect(() => settle(now.state, path, completed(1))).toThrow('under way')
})
