/** Outputs that a dry run does not have: whoever reads one stops, whoever does not goes on. */
import { describe, expect, test } from 'vitest'
import type { PlanStep } from '../../schemas/planned.ts'
import { advance, type Advanced } from '../../workflows/interpreter/advance.ts'
import { createRunState, settle, type RunState } from '../../workflows/interpreter/state.ts'
import {
  guardUnknowns,
  unknownOutput,
  unknownsIn,
  withoutUnknowns,
} from '../../workflows/interpreter/unknown.ts'

const call = (name: string, more: object = {}): PlanStep => ({
  type: 'call',
  name,
  timeoutMs: 1_000,
  call: { connection: 'c', operation: 'o', arguments: {}, raisedToWrite: true },
  ...more,
})
const give = (value: string): PlanStep => ({ type: 'return', name: 'end', value })

/** Every step that is started gives what nobody knows. */
function play(steps: PlanStep[], isDry = true): Advanced {
  const plan = { automation: 'a', revision: 1, steps }
  let state: RunState = { ...createRunState({ on: true }, {}), ...(isDry && { isDry }) }
  for (;;) {
    const advanced = advance(plan, state)
    state = advanced.state
    if (advanced.next.kind !== 'perform') return advanced
    for (const { path } of advanced.next.start)
      state = settle(state, path, { status: 'completed', output: unknownOutput(path) })
  }
}

test('are marks that values are cleared of', () => {
  const value = { a: [1, unknownOutput('x')], b: { c: unknownOutput('y') }, d: null }
  expect(unknownsIn(value)).toEqual(['x', 'y'])
  expect(withoutUnknowns(value)).toEqual({ a: [1, null], b: { c: null }, d: null })
})

test('are guarded where they stand, and nowhere else', () => {
  const read: string[] = []
  const value = { known: { n: 1 }, list: [1, unknownOutput('x')] }
  const shown = guardUnknowns(value, (path) => read.push(path))
  expect([shown.known.n, shown.list[0], shown.list.length, read]).toEqual([1, 1, 2, []])
  expect(() => shown.list[1]).toThrow('a dry run has no output of x')
  expect(read).toEqual(['x'])
  expect(guardUnknowns(value.known, () => undefined)).toBe(value.known)
})

describe('an expression', () => {
  test.each([
    '${{ steps.w.output }}',
    '${{ steps.w.output.id }}',
    '${{ steps.w.output == null }}',
    '${{ steps.w }}',
    'a text with ${{ string(steps.w.output) }}',
  ])('%s stops the run', (value) => {
    const { next, stuck, state } = play([call('w'), give(value)])
    expect([next, stuck]).toEqual([{ kind: 'wait' }, [{ path: 'end', needs: 'w' }]])
    expect(Object.keys(state.block)).toEqual(['w'])
  })

  test.each([
    ['${{ steps.w.status }}', 'completed'],
    ['${{ input.on || steps.w.output.ok }}', true],
    ['${{ input.on ? 1 : steps.w.output }}', 1],
  ])('%s does not need it', (value, output) => {
    expect(play([call('w'), give(value)]).next).toEqual({ kind: 'completed', output })
  })
})

test('go along in what steps around them give', () => {
  const loop: PlanStep = {
    type: 'for_each',
    name: 'each',
    items: '[1, 2]',
    concurrency: 2,
    steps: [call('w')],
  }
  expect(play([loop, give('${{ steps.each.status }}')]).next).toMatchObject({ output: 'completed' })
  const filtered = play([loop, give('${{ steps.each.output.filter(o, o != null) }}')])
  expect(filtered.stuck).toEqual([{ path: 'end', needs: 'each[0].w' }])
})

test('stop one branch, and not the other; a failure that is not tolerated still ends both', () => {
  const waiting = [call('w'), call('next', { if: 'steps.w.output.ok' })]
  const fork = (two: PlanStep[]): PlanStep => ({
    type: 'parallel',
    name: 'fork',
    concurrency: 2,
    branches: { one: waiting, two },
  })
  const { next, stuck, state } = play([fork([call('w'), call('last')])])
  expect([next.kind, stuck]).toEqual(['wait', [{ path: 'fork.one.next', needs: 'fork.one.w' }]])
  expect(JSON.stringify(state.block)).toContain('"last":{"status":"completed"')
  const fails = play([fork([call('w'), { type: 'fail', name: 'no', code: 'NO', message: 'no' }])])
  expect(fails.next).toMatchObject({ kind: 'failed', error: { code: 'NO' } })
})

test('are not counted against the limits of a run each time a step is come to again', () => {
  const steps = [call('w'), give('${{ steps.w.output }}')]
  let { state } = play(steps)
  const { begun } = state
  for (let i = 0; i < 600; i++) ({ state } = advance({ automation: 'a', revision: 1, steps }, state))
  expect(state.begun).toBe(begun)
})
