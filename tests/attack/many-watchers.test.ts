/** One organization waits for the changes of many of its own runs; another one may wait for those of its own all the same. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { createClient } from '../../sdk/client/index.ts'
import { startWorld, type World } from '../support/world.ts'

/** Half of the runs that an API looks after. */
const SHARE = 100
const NAP = {
  kind: 'Automation',
  name: 'nap',
  spec: { steps: [{ name: 'nap', sleep: { for: '1h' } }] },
}

test('of one organization that watches many runs leave others room to watch', async () => {
  const world = await startWorld()
  const { key } = await bootstrapOrganization(world.database, {
    organization: 'rival',
    admin: 'r@rival.example',
  })
  const rival = createClient({ baseUrl: world.apiUrl, apiKey: key })
  for (const one of [world.admin, rival]) await one.applyManifests({ manifests: [NAP] })
  const runIds: string[] = []
  while (runIds.length <= SHARE) {
    const some = Array.from({ length: 10 }, () => world.admin.startRun({ name: 'nap', input: {} }))
    runIds.push(...(await Promise.all(some)).map(({ run_id: runId }) => runId))
  }
  const { run_id: other } = await rival.startRun({ name: 'nap', input: {} })
  const stop = new AbortController()
  let refused = 0
  const follow = async (runId: string): Promise<void> => {
    for (let after = ''; !stop.signal.aborted;) {
      const { status, version } = await next(world, { apiKey: world.adminKey, runId, after }, stop.signal)
      if (status === 429) {
        refused++
        await sleep(1_000)
      }
      after = version ?? after
    }
  }
  for (const runId of runIds) void follow(runId).catch(() => undefined)
  await vi.waitFor(() => expect(refused).toBeGreaterThan(0), 60_000)
  expect(await watched(world, { apiKey: key, runId: other })).toBe('it waits')
  stop.abort()
  await world.close()
}, 180_000)

async function next(
  { apiUrl }: World,
  { apiKey, runId, after }: { apiKey: string; runId: string; after: string },
  signal: AbortSignal,
): Promise<{ status: number; version: string | undefined }> {
  const query = after === '' ? 'wait=0' : `wait=30&after=${after}`
  const headers = { authorization: `Bearer ${apiKey}` }
  const response = await fetch(`${apiUrl}/v1/runs/${runId}/events?${query}`, { headers, signal })
  const body = (await response.json()) as { version?: string }
  return { status: response.status, version: body.version }
}

/** Whether a caller who has the newest version is let wait. */
async function watched(world: World, run: { apiKey: string; runId: string }): Promise<string> {
  let after = ''
  for (;;) {
    const answer = await next(world, { ...run, after }, AbortSignal.timeout(5_000)).catch(() => null)
    if (answer === null) return 'it waits'
    if (answer.status !== 200) return `it is answered with ${answer.status}`
    after = answer.version ?? ''
  }
}
