/** Code and questions in the interpreter: what they are given, what of it a run keeps, and when it is tried again. */
import { expect, it } from 'vitest'
import type { CodeStep } from '../../schemas/planned.ts'
import { advance } from '../../workflows/interpreter/advance.ts'
import { keepable } from '../../workflows/interpreter/limits.ts'
import { createRunState, stepsByPath } from '../../workflows/interpreter/state.ts'
import { callStep, completed, failed, forEach, planOf, play, settleStep } from '../support/plans.ts'

const code = (name: string, more: Partial<CodeStep> = {}): CodeStep => ({
  type: 'code',
  name,
  source: 'export default () => 1',
  timeoutMs: 5_000,
  ...more,
})

it('is given the input, the settled steps, the run, and in a loop the item', () => {
  const plan = planOf(callStep('look'), forEach('each', '["a", "b"]', [code('sum')], 1))
  const afterLook = settleStep(plan, play(plan, { n: 1 }), 'look', completed({ level: 3 }))
  expect(afterLook.log).toContain('start each[0].sum')
  const known = {
    ...createRunState({ n: 1 }, { id: 'run_1' }),
    block: { look: { ...completed(3), tries: { attempt: 1, round: 1 } } },
  }
  const { next } = advance(plan, known as Parameters<typeof advance>[1])
  if (next.kind !== 'perform') throw new Error('the code was to start')
  expect(next.start).toEqual([
    {
      type: 'code',
      path: 'each[0].sum',
      source: 'export default () => 1',
      timeoutMs: 5_000,
      delayMs: 0,
      context: {
        input: { n: 1 },
        run: { id: 'run_1' },
        item: 'a',
        index: 0,
        steps: { look: { status: 'completed', output: 3, error: null, writeback: null } },
      },
    },
  ])
})

it('is tried again after its own failures only, and keeps the log of the last try', () => {
  const plan = planOf(code('sum', { retry: { maxAttempts: 2, backoffMs: 10 } }))
  const logs = [{ level: 'log' as const, text: 'so far' }]
  const again = settleStep(plan, play(plan), 'sum', { ...failed('CODE_FAILED'), logs })
  expect(again.underWay).toEqual(['sum'])
  const ended = settleStep(plan, again, 'sum', { ...failed('CODE_TIMEOUT'), logs })
  expect(ended.next).toMatchObject({ kind: 'failed', error: { code: 'CODE_TIMEOUT' } })
  expect(stepsByPath(ended.state)['sum']).toMatchObject({ logs, tries: { attempt: 2 } })
  expect(settleStep(plan, play(plan), 'sum', failed('VALUE_TOO_LARGE')).next.kind).toBe('failed')
})

it('counts its log among the values of the run', () => {
  const logs = [{ level: 'log' as const, text: 'x'.repeat(1000) }]
  const state = { ...createRunState({}, {}), kept: { bytes: 16 * 1024 * 1024 - 500, parts: 0 } }
  expect(keepable(state, { ...completed(1), logs })).toMatchObject({
    error: { code: 'VALUE_TOO_LARGE' },
    logs,
  })
})

it('asks with texts that are made of the values of the run', () => {
  const ask = {
    type: 'ask' as const,
    name: 'tier',
    title: 'Tier of ${{ input.who }}?',
    markdown: '${{ input.n }}',
    expiresAfterMs: 1_000,
  }
  const { next } = advance(planOf(ask), createRunState({ who: 'ann', n: 5 }, {}))
  if (next.kind !== 'perform') throw new Error('the question was to be asked')
  expect(next.start).toEqual([
    { type: 'ask', path: 'tier', title: 'Tier of ann?', markdown: '5', expiresAfterMs: 1_000 },
  ])
})
