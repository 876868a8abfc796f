/** Runs that start runs, on a server that does not answer, and are reset: what waits for their children takes few places. */
import { expect, test, vi } from 'vitest'
import { NOTE } from '../support/automations.ts'
import { reset } from '../support/resets.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const RUNS = 14
const MOST_WAITS = 10

test('waits of one organization for what its reset runs had started take few places of a worker, and all end', async () => {
  const s = await startScenario()
  let answer = (): void => undefined
  const answered = new Promise<void>((resolve) => {
    answer = resolve
  })
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no such tool')
  note.run = async () => {
    await answered
    return { content: [] }
  }
  await s.apply({
    kind: 'Connection',
    name: 'tools',
    spec: {
      type: 'mcp',
      transport: 'http',
      url: s.server.url,
      allow_private_addresses: true,
      timeout: '90s',
    },
  })
  await s.define('noting', [NOTE], { allow: true })
  const input = { account: '${{ input.account }}' }
  await s.define('around', [{ name: 'sub', run_automation: { automation: 'noting', input } }], {
    allow: true,
  })
  const runs = await Promise.all(Array.from({ length: RUNS }, () => s.start('around')))
  await eventually(async () => s.server.calls.length === RUNS)
  for (const run of runs) await reset(s.world, run, 'last')
  await eventually(async () => (await waitsOf(s, runs)).length === RUNS)
  await vi.waitFor(
    async () => expect((await waitsOf(s, runs)).filter(isRefused).length).toBe(RUNS - MOST_WAITS),
    { timeout: 20_000, interval: 500 },
  )
  answer()
  for (const run of runs) await s.expectEnding(run, { state: 'completed' })
  await s.close()
}, 120_000)

type Wait = Awaited<ReturnType<typeof waitsOf>>[number]

async function waitsOf({ world }: Scenario, runs: StartedRun[]) {
  const described = await Promise.all(
    runs.map(({ workflowId }) => world.temporal.workflow.getHandle(workflowId).describe()),
  )
  return described
    .flatMap(({ raw }) => raw.pendingActivities ?? [])
    .filter(({ activityType }) => activityType?.name === 'awaitWorkflow')
}

function isRefused({ lastFailure }: Wait): boolean {
  return lastFailure?.applicationFailureInfo?.type === 'ORGANIZATION_BUSY'
}
