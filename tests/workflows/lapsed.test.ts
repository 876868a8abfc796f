/** An approval is for now: one that is older than its policy says, when the write could be applied, is asked for again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE, needs } from '../support/automations.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const VALID_FOR_MS = 3_000

let s: Scenario
let stopWorker: () => Promise<void>

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      stopWorker = await startWorkerHere(world, { database: world.database, secrets: {} })
    },
  })
  await stopWorker()
  await startWorker()
  await s.define('fresh', [CHANGE], needs([{ roles: ['lead'] }], { valid_for: `${VALID_FOR_MS}ms` }))
})

afterAll(async () => {
  await stopWorker()
  await s.close()
})

async function startWorker(): Promise<void> {
  stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets: s.secrets })
}

async function askedAgain(run: StartedRun, before: string) {
  return eventually(async () => {
    const waiting = await s.approvalOf(run)
    return waiting.approval_id === before ? undefined : waiting
  })
}

test('when no worker was there between decision and apply', async () => {
  const run = await s.park('fresh')
  await stopWorker()
  const answer = await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  expect(answer.state).toBe('recorded')
  await sleep(VALID_FOR_MS + 500)
  await startWorker()
  const again = await askedAgain(run, run.approval.approval_id)
  expect(again.approval_id).toBe(`${run.approval.approval_id}/ask2`)
  expect(again.digest).toBe(run.approval.digest)
  expect(await s.look(run)).toMatchObject({
    state: 'waiting_for_approval',
    writebacks: ['planned'],
    changes: 0,
  })
  // The same person may say it again: it is about now.
  await s.lena.decideApproval({ ...about(again), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    approvals: ['approved', 'approved'],
    receipts: ['approve by lena@acme.example', 'approve by lena@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('when the connection was frozen in between', async () => {
  const run = await s.park('fresh')
  await s.world.admin.freezeConnection({ name: 'shop' })
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, { writebacks: ['planned'], approvals: ['approved'] })
  // Past its time the door asks again, frozen or not.
  const again = await askedAgain(run, run.approval.approval_id)
  await s.world.admin.thawConnection({ name: 'shop' })
  expect((await s.look(run)).changes).toBe(0)
  await s.max.decideApproval({ ...about(again), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', changes: 1 })
})
