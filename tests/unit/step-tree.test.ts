/** Steps inside steps: found by path, walked with places, compiled. */
import { describe, expect, it } from 'vitest'
import { AutomationSpecSchema } from '../../schemas/manifests.ts'
import { compilePlan } from '../../schemas/plan.ts'
import { allSteps, findStep } from '../../schemas/step-tree.ts'

const call = (name: string) => ({ name, tool_call: { connection: 'c', tool: 't' } })
const { steps, ...rest } = AutomationSpecSchema.parse({
  steps: [
    call('first'),
    {
      name: 'each',
      for_each: {
        items: 'input',
        steps: [
          {
            name: 'pick',
            choose: { branches: [{ when: 'true', steps: [call('in')] }], otherwise: [call('out')] },
          },
        ],
      },
    },
    {
      name: 'fan',
      on_error: 'continue',
      parallel: { branches: { left: [call('in')], right: [call('in')] } },
    },
    { name: 'nap', sleep: { until: '2026-10-01T12:00:00Z' } },
    { name: 'rest', sleep: { for: '2h' } },
    { name: 'sub', run_automation: { automation: 'other' } },
    { ...call('again'), retry: { max_attempts: 3 } },
    { name: 'stop', if: 'false', fail: { code: 'NO_MORE', message: 'm' } },
  ],
})

describe('a step', () => {
  it.each([
    ['first', 'first'],
    ['each', 'each'],
    ['each[0].pick', 'pick'],
    ['each[999].pick[0].in', 'in'],
    ['each[3].pick.otherwise.out', 'out'],
    ['fan.left.in', 'in'],
    ['fan.right.in', 'in'],
  ])('is found at %s', (path, name) => {
    expect(findStep(steps, path)?.name).toBe(name)
  })

  it.each([
    '',
    'in',
    'first.in',
    'first[0].in',
    'each.pick',
    'each[].pick',
    'each[1000].pick',
    'each[01].pick',
    'each[-1].pick',
    'each[0]',
    'each[0].',
    'each[0]pick',
    'each[0].pick[1].in',
    'each[0].pick.out',
    'fan.middle.in',
    'fan[0].in',
    'fan.left',
    'fan.left.in.in',
    'fan.constructor.in',
    'each[0].pick.otherwise.in',
  ])('is not found at %j', (path) => {
    expect(findStep(steps, path)).toBeUndefined()
  })
})

it('all steps are walked in the order of the document, with their places', () => {
  expect(
    allSteps('spec.steps', steps)
      .map(({ at }) => at)
      .slice(0, 8),
  ).toEqual([
    'spec.steps[0]',
    'spec.steps[1]',
    'spec.steps[1].for_each.steps[0]',
    'spec.steps[1].for_each.steps[0].choose.branches[0].steps[0]',
    'spec.steps[1].for_each.steps[0].choose.otherwise[0]',
    'spec.steps[2]',
    'spec.steps[2].parallel.branches.left[0]',
    'spec.steps[2].parallel.branches.right[0]',
  ])
})

it('compiles to a plan that says no more than needed', () => {
  const inner = {
    type: 'call',
    timeoutMs: 3_600_000,
    call: { connection: 'c', operation: 't', arguments: {}, raisedToWrite: false },
  }
  expect(compilePlan('x', 1, { ...rest, steps }).steps.slice(1)).toEqual([
    {
      type: 'for_each',
      name: 'each',
      items: 'input',
      concurrency: 5,
      steps: [
        {
          type: 'choose',
          name: 'pick',
          branches: [{ when: 'true', steps: [{ ...inner, name: 'in' }] }],
          otherwise: [{ ...inner, name: 'out' }],
        },
      ],
    },
    {
      type: 'parallel',
      name: 'fan',
      onError: 'continue',
      concurrency: 2,
      branches: { left: [{ ...inner, name: 'in' }], right: [{ ...inner, name: 'in' }] },
    },
    { type: 'sleep', name: 'nap', sleep: { until: '"2026-10-01T12:00:00Z"' } },
    { type: 'sleep', name: 'rest', sleep: { forMs: 7_200_000 } },
    { type: 'run_automation', name: 'sub', automation: 'other', input: {} },
    { ...inner, name: 'again', retry: { maxAttempts: 3, backoffMs: 10_000 } },
    { type: 'fail', name: 'stop', if: 'false', code: 'NO_MORE', message: 'm' },
  ])
})
