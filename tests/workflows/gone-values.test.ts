/** A run whose large values are lost is still shown, with all that is known of it. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const LARGE = 60_000

let s: Scenario
beforeAll(async () => {
  s = await startScenario()
  const about = 'x'.repeat(LARGE)
  const look = { name: 'look', tool_call: { connection: 'tools', tool: 'look', arguments: { about } } }
  await s.define('large', [look, { name: 'end', return: '${{ steps.look.output }}' }], { allow: true })
})
afterAll(() => s?.close())

it('shows the run, and in the place of each value that it is gone', async () => {
  const run = await s.start('large')
  // The API must not have seen the values: it would still know them.
  const handle = s.world.temporal.workflow.getHandle(run.workflowId)
  await eventually(async () => (await handle.describe()).status.name === 'COMPLETED')
  const { rowCount } = await s.world.database.query('delete from payloads')
  expect(rowCount).toBeGreaterThan(0)

  const gone = { code: 'PAYLOAD_UNAVAILABLE', message: expect.stringContaining('table payloads') as unknown }
  const shown = await s.world.admin.getRun({ run_id: run.runId })
  expect(shown).toMatchObject({ state: 'completed', result: null, failure: gone, receipts_head: null })
  const attempts = shown.steps.find(({ path }) => path === '?')?.attempts
  expect(attempts).toMatchObject([{ kind: 'call', state: 'completed', failure: gone }])
  const watched = await s.world.admin.watchRun({ run_id: run.runId, wait: 0 })
  expect(watched).toMatchObject({ is_over: true, run: { state: 'completed' } })
})
