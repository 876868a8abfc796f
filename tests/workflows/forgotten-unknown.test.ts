/**
 * Nobody knows what became of a write, and its workflow waits for a person; then the ledger is put back to a backup of
 * while it was being sent. A person can say all the same what became of it. A real PostgreSQL, whose files are put back.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connections, NOTE } from '../support/automations.ts'
import { startOwnPostgres, type OwnPostgres } from '../support/own-servers.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { refusal, startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let postgres: OwnPostgres
let s: Scenario
let stopWorker: () => Promise<void>

beforeAll(async () => {
  postgres = await startOwnPostgres()
  s = await startScenario({
    worker: false,
    servers: { databaseUrl: postgres.url },
    beforeApply: async (world) => {
      stopWorker = await startWorkerHere(world, { database: world.database, secrets: {} })
    },
  })
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no such tool')
  note.run = () => new Promise<never>(() => undefined)
  const [tools] = connections({ toolsUrl: s.server.url })
  // Long enough for a backup while the call is under way.
  await s.apply({ ...tools, spec: { ...(tools?.['spec'] as object), timeout: '8s' } })
  await s.define('pay', [NOTE], { allow: true })
})

afterAll(async () => {
  await stopWorker()
  await s.close()
  await postgres.close()
})

test('an unknown write that the ledger has as being sent is resolved by a person, and its run ends', async () => {
  const max = await s.world.as('op@acme.example', ['operator'])
  const run = await s.start('pay')
  await eventually(async () => s.notes(run).length > 0)
  const backup = await postgres.backUp()
  await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
  await postgres.restore(backup)
  const { writebacks } = await eventually(() => s.world.admin.getRun({ run_id: run.runId }))
  expect(writebacks.map(({ state }) => state)).toEqual(['sending'])
  const id = writebacks[0]?.writeback_id ?? ''
  const said = { writeback_id: id, resolution: 'applied' as const, comment: 'seen in the books' }
  expect(await refusal(s.clerk.resolveWriteback(said))).toBe('409 NOT_ELIGIBLE')
  await max.resolveWriteback(said)
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['outcome unknown', 'resolved applied by op@acme.example'],
    notes: 1,
  })
}, 120_000)
