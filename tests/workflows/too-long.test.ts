/**
 * A run that becomes too long ends by itself, in order, before the server terminates it. Twenty thousand events take
 * two minutes, so this runs only if asked for: LONG_TESTS=1.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NOTE, ONE_LEAD } from '../support/automations.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
})

afterAll(() => s.close())

test.runIf(process.env['LONG_TESTS'] === '1')(
  'a run with too long a history fails, and withdraws what it waits for',
  async () => {
    const naps = Array.from({ length: 9 }, (_, index) => ({ name: `nap${index}`, sleep: { for: '1ms' } }))
    const items = `"${'-'.repeat(999)}".split("-")`
    const loop = { name: 'each', for_each: { items, concurrency: 19, steps: naps } }
    const busy = Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, [loop]]))
    const fan = { name: 'fan', parallel: { branches: { patient: [NOTE], ...busy } } }
    await s.define('endless', [fan], ONE_LEAD)
    const run = await s.park('endless')
    const handle = s.world.temporal.workflow.getHandle(run.workflowId)
    await handle.result().catch(() => undefined)
    const { historyLength } = await handle.describe()
    expect(historyLength).toBeLessThan(25_000)
    await s.expectEnding(run, {
      state: 'failed',
      code: 'RUN_TOO_LARGE',
      writebacks: ['withdrawn'],
      approvals: ['withdrawn'],
      notes: 0,
    })
  },
  240_000,
)
