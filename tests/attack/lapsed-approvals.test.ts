/**
 * He has the address of the database that a worker has, and writes into a row of the ledger when its attempt was claimed
 * and how long it had, or holds its claim up. Neither makes a lapsed approval count, nor a payment that is under way be
 * made twice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { CHANGE, connections, needs } from '../support/automations.ts'
import { addressFor } from '../support/logins.ts'
import { startTestMcpServer, textResult, type TestMcpServer } from '../support/mcp-server.ts'
import { startWorkerHere, startWorkerProcess } from '../support/own-worker.ts'
import { PAYING_SETTINGS, paymentStep, payingTools } from '../support/paying.ts'
import { reset } from '../support/resets.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const VALID_FOR_MS = 5_000
/** Of a payment whose worker is gone: before the second look at it, and after one that is made too early. */
const PAYS_AFTER_MS = 16_000

let s: Scenario
let server: TestMcpServer
let stolen: pg.Pool
let stop: (() => Promise<void>) | undefined
const paid: string[] = []
let calls = 0
/** The payment whose worker is gone. */
let hasPaidLate = false

beforeAll(async () => {
  const tools = payingTools({
    add: (one) => void paid.push(one),
    count: (one) => paid.filter((other) => other === one).length,
  })
  tools.find(({ name }) => name === 'pay_checked')!.run = async ({ about: account }) => {
    const isFirst = ++calls === 1
    if (isFirst) await sleep(PAYS_AFTER_MS)
    paid.push(String(account))
    if (isFirst) hasPaidLate = true
    return textResult('paid')
  }
  server = await startTestMcpServer({ tools })
  s = await startScenario({ worker: false, beforeApply: startWorker })
  await startWorker(s.world)
  await s.define('change', [{ ...CHANGE, timeout: '60s' }], needs([{ roles: ['lead'] }], { valid_for: '5s' }))
  await s.apply(bank('10s'))
  await s.define('pay', [{ ...paymentStep('bank', 'pay_checked'), timeout: '2m' }], { allow: true })
  stolen = new pg.Pool({ connectionString: addressFor('worker', s.world.databaseUrl) })
})

afterAll(async () => {
  await stolen?.end()
  await stop?.()
  await s?.close()
  await server?.close()
})

function bank(timeout: string): JsonObject {
  const http = { type: 'mcp', transport: 'http', url: server.url, allow_private_addresses: true }
  return { kind: 'Connection', name: 'bank', spec: { ...http, tools: PAYING_SETTINGS, timeout } }
}

async function startWorker(world: Scenario['world']): Promise<void> {
  await stop?.()
  stop = await startWorkerHere(world, { database: world.database, secrets: s?.secrets ?? {} })
}

test('a row that says that it was claimed while its approval was young lets nothing be sent', async () => {
  await s.world.admin.freezeConnection({ name: 'shop', reason: 'a test' })
  const run = await s.park('change')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, { writebacks: ['planned'], approvals: ['approved'] })
  await stolen.query(
    `update writebacks set state = 'sending', attempt = attempt + 1, updated_at = now(),
       deadline_at = now() - interval '1 millisecond' where run_id = $1 and state = 'planned'`,
    [run.runId],
  )
  await sleep(VALID_FOR_MS + 1_000)
  await s.world.admin.thawConnection({ name: 'shop' })
  // The target has no receipt of it, so it is planned as before, and people are asked anew.
  await s.expectEnding(run, { state: 'waiting_for_approval', writebacks: ['planned'], changes: 0 })
}, 60_000)

/** A payment whose worker is gone, and whose row says that its time was over long ago. */
async function editedUnderWay(): Promise<StartedRun> {
  await stop?.()
  stop = undefined
  calls = 0
  hasPaidLate = false
  const worker = await startWorkerProcess(s.world)
  const run = await s.start('pay')
  await eventually(async () => calls === 1, 20_000)
  await worker.kill()
  const edited = await stolen.query(
    `update writebacks set deadline_at = now() - interval '1 hour', updated_at = now() - interval '1 hour 2 seconds'
     where run_id = $1 and state = 'sending'`,
    [run.runId],
  )
  expect(edited.rowCount).toBe(1)
  await startWorker(s.world)
  return run
}

async function expectPaidOnce(run: StartedRun): Promise<void> {
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  await eventually(async () => hasPaidLate)
  expect(paid.filter((one) => one === run.account)).toEqual([run.account])
}

test('a deadline that is put into the past while a payment is under way does not have it made twice', async () => {
  await expectPaidOnce(await editedUnderWay())
}, 90_000)

test('nor does one of a run that is reset, whose connection has less time by now', async () => {
  const run = await editedUnderWay()
  await s.apply(bank('1s'))
  await reset(s.world, run)
  await expectPaidOnce(run)
}, 90_000)

test('an approval that lapses while the claim of its write is held up lets nothing be sent', async () => {
  const [, shop] = connections({ toolsUrl: s.server.url })
  await s.apply({ ...shop, spec: { ...(shop?.['spec'] as JsonObject), timeout: '30s' } })
  const run = await s.park('change')
  const unlock = await lockConnection(s.world.database, 'shop')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await claimWaits(s.world.database)
  await sleep(VALID_FOR_MS + 500)
  await unlock()
  await s.expectEnding(run, { state: 'waiting_for_approval', writebacks: ['planned'], changes: 0 })
}, 90_000)
