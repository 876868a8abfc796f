/** A run that was reset waits for its children through an activity: workers come and go, and take nothing back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NOTE, ONE_LEAD } from '../support/automations.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { reset, untilAttached } from '../support/resets.ts'
import { about, startScenario, type Scenario } from '../support/scenario.ts'
import type { World } from '../support/world.ts'

let s: Scenario
let stopWorker: () => Promise<void>

const start = async (world: World): Promise<void> => {
  stopWorker = await startWorkerHere(world, { database: world.database, secrets: {} })
}

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: start,
  })
  await s.define('note', [NOTE], ONE_LEAD)
})

afterAll(async () => {
  await stopWorker?.()
  await s?.close()
})

test('a worker that stops does not take back what a run that was reset waits for', async () => {
  const run = await s.park('note')
  await reset(s.world, run)
  await untilAttached(s.world, run)
  await stopWorker()
  await start(s.world)
  await untilAttached(s.world, run)
  expect(await s.look(run)).toMatchObject({ state: 'waiting_for_approval', receipts: [] })
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    notes: 1,
  })
})
