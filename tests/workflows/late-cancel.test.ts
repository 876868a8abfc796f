/**
 * A worker dies after its claim and before COMMIT, so that nothing was done; then the run is cancelled. No worker that
 * comes later makes the write: nobody wants it any more.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE } from '../support/automations.ts'
import { startWorkerHere, startWorkerProcess } from '../support/own-worker.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
let stop: (() => Promise<void>) | undefined

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      stop = await startWorkerHere(world, { database: world.database, secrets: {} })
    },
  })
  await stopWorker()
  await startWorker()
  await s.define('change', [CHANGE], { allow: true })
  await stopWorker()
})

afterAll(async () => {
  await stopWorker()
  await s?.close()
})

async function startWorker(): Promise<void> {
  stop = await startWorkerHere(s.world, { database: s.world.database, secrets: s.secrets })
}

async function stopWorker(): Promise<void> {
  await stop?.()
  stop = undefined
}

async function waitingForLocks(): Promise<number | null> {
  const { rowCount } = await s.shop.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rowCount
}

test('a write that was claimed and never committed is not made after its run was cancelled', async () => {
  const worker = await startWorkerProcess(s.world, {
    COUNTERSIGN_SECRET_SHOP_DATABASE_URL: s.secrets['SHOP_DATABASE_URL'] ?? '',
  })
  const account = 'locked'
  await s.shop.query('insert into accounts (id) values ($1)', [account])
  const holder = await s.shop.connect()
  await holder.query('begin')
  await holder.query('select from accounts where id = $1 for update', [account])
  const started = await s.clerk.startRun({ name: 'change', input: { account, balance: 7 } })
  const run = { runId: started.run_id, workflowId: started.temporal_workflow_id, account }
  await eventually(async () => (await waitingForLocks()) === 1, 20_000)
  await worker.kill()
  await eventually(async () => (await waitingForLocks()) === 0, 20_000)
  await holder.query('rollback')
  holder.release()
  await s.clerk.cancelRun({ run_id: run.runId })
  await startWorker()
  await s.expectEnding(run, { writebacks: ['failed'], receipts: ['outcome failed'], changes: 0 })
  const predicate = (await s.statements(run)).at(-1)?.predicate
  expect(predicate).toMatchObject({ code: 'NOT_APPLIED', attempt: 1, how: 'atomic' })
  await stopWorker()
}, 120_000)

test('a write that was held is not begun when its run was cancelled while no worker was there', async () => {
  await startWorker()
  await s.world.admin.freezeConnection({ name: 'shop' })
  const run = await s.start('change')
  await s.expectEnding(run, { writebacks: ['planned'] })
  await stopWorker()
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.world.admin.thawConnection({ name: 'shop' })
  await sleep(2_000)
  await startWorker()
  await s.expectEnding(run, { state: 'cancelled', writebacks: ['withdrawn'], changes: 0 })
}, 90_000)

test('nor is that of a run that another one has started, and only the other one was cancelled', async () => {
  await startWorker()
  await s.define('inner', [CHANGE], { allow: true })
  const input = { account: '${{ input.account }}', balance: 7 }
  await s.define('outer', [{ name: 'sub', run_automation: { automation: 'inner', input } }], { allow: true })
  await s.world.admin.freezeConnection({ name: 'shop' })
  const run = await s.start('outer')
  const inner = await eventually(async () => {
    const { items } = await s.world.admin.listRuns({})
    const found = items.find(({ source }) => source === `run/${run.runId}`)
    return found && { runId: found.run_id, workflowId: found.temporal_workflow_id, account: run.account }
  })
  await s.expectEnding(inner, { writebacks: ['planned'] })
  await stopWorker()
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.world.admin.thawConnection({ name: 'shop' })
  await sleep(2_000)
  await startWorker()
  await s.expectEnding(inner, { state: 'cancelled', writebacks: ['withdrawn'], changes: 0 })
  await s.expectEnding(run, { state: 'cancelled' })
}, 90_000)
