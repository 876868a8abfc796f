/**
 * Worker processes that are killed at the worst moments, with the network between them and the target under our hand.
 * Afterwards there is one effect, or none, and one receipt that says what is so.
 */
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { CHANGE, LOOK, NOTE, NOTE_AGAIN, ONE_LEAD } from '../support/automations.ts'
import { startWorkerProcess, type WorkerProcess } from '../support/own-worker.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { eventually, type World } from '../support/world.ts'

let s: Scenario
let toShop: TcpProxy
let toTools: TcpProxy
let worker: WorkerProcess

beforeAll(async () => {
  toShop = await startTcpProxy(inject('databaseUrl'))
  s = await startScenario({
    worker: false,
    through: { shop: toShop.urlThrough, tools: (url) => toTools.urlThrough(url) },
    beforeStart: async ({ toolsUrl }) => {
      toTools = await startTcpProxy(toolsUrl)
    },
    beforeApply: async (world: World) => {
      worker = await startWorkerProcess(world)
    },
  })
  await s.define('change', [CHANGE], ONE_LEAD)
  await s.define('note', [NOTE], ONE_LEAD)
  await s.define('note-again', [NOTE_AGAIN], ONE_LEAD)
  await s.define('look', [LOOK], { allow: true })
})

afterEach(() => {
  toShop.reset()
  toTools.reset()
})

afterAll(async () => {
  await worker?.kill()
  await s?.close()
  await Promise.all([toShop?.close(), toTools?.close()])
})

async function replaceWorker(): Promise<void> {
  await worker.kill()
  worker = await startWorkerProcess(s.world)
}

test('a worker killed while a run waits changes nothing for the approval that comes later', async () => {
  const run = await s.park('change')
  await worker.kill()
  const answer = await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  expect(answer.state).toBe('recorded')
  expect(await s.look(run)).toMatchObject({ state: 'waiting_for_approval', receipts: [], changes: 0 })
  worker = await startWorkerProcess(s.world)
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    approvals: ['approved'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    balance: 7,
    changes: 1,
  })
})

test('a worker killed before COMMIT reaches the database leaves one effect', async () => {
  const run = await s.park('change')
  toShop.holdFrom('commit')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await toShop.patternSeen()
  await replaceWorker()
  toShop.reset()
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('a COMMIT of a killed worker that arrives late is found, not repeated', async () => {
  const run = await s.park('change')
  toShop.hideHangUps()
  toShop.holdFrom('commit')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await toShop.patternSeen()
  await worker.kill()
  toShop.release('toServer')
  await eventually(async () => (await s.look(run)).changes === 1)
  toShop.reset()
  worker = await startWorkerProcess(s.world)
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['already_applied'],
    receipts: ['approve by lena@acme.example', 'outcome already_applied'],
    changes: 1,
  })
})

for (const isKilled of [false, true]) {
  test(`a COMMIT whose answer is swallowed${isKilled ? ', with the worker killed,' : ''} is one effect`, async () => {
    const run = await s.park('change')
    toShop.swallowAnswersAfter('commit')
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await toShop.patternSeen()
    if (isKilled) await replaceWorker()
    else await eventually(async () => (await s.look(run)).changes === 1)
    toShop.cut()
    toShop.reset()
    const ending = await s.expectEnding(run, { state: 'completed', balance: 7, changes: 1 })
    expect(ending.receipts).toEqual(['approve by lena@acme.example', `outcome ${ending.writebacks[0]}`])
    expect(ending.writebacks).toEqual(['already_applied'])
  })
}

/** Somebody with our database keeps the rows of these writes: they are looked at, and do not end. */
async function holdEnds(...runs: StartedRun[]): Promise<() => Promise<void>> {
  const client = await s.world.database.connect()
  await client.query('begin; set local idle_in_transaction_session_timeout = 0')
  await client.query('select from writebacks where run_id = any($1) for update', [
    runs.map(({ runId }) => runId),
  ])
  return async () => {
    await client.query('commit')
    client.release()
  }
}

async function endsWait(count: number): Promise<void> {
  await eventually(async () => {
    const { rowCount } = await s.world.database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
         and query like 'update writebacks%'`,
    )
    return rowCount === count
  })
}

test('a worker killed between the record of a rejection and the end of its write leaves one end', async () => {
  const [rejected, vetoed] = [await s.park('note'), await s.park('note')]
  // Approved, and not sent: so a rejection that comes too late for the approval still stops it, at the door.
  await s.world.admin.freezeConnection({ name: 'tools', reason: 'a test' })
  await s.lena.decideApproval({ ...about(vetoed.approval), verdict: 'approve' })
  const letGo = await holdEnds(rejected, vetoed)
  for (const { approval } of [rejected, vetoed])
    await s.max.decideApproval({ ...about(approval), verdict: 'reject' })
  await endsWait(2)
  const ofRejected = ['reject by max@acme.example']
  const ofVetoed = ['approve by lena@acme.example', ...ofRejected]
  await s.expectEnding(rejected, { writebacks: ['planned'], receipts: ofRejected })
  await s.expectEnding(vetoed, { writebacks: ['planned'], receipts: ofVetoed })
  await worker.kill()
  await letGo()
  await s.world.admin.thawConnection({ name: 'tools' })
  worker = await startWorkerProcess(s.world)
  const ended = { state: 'failed', code: 'REJECTED', writebacks: ['rejected'], notes: 0 }
  const end = 'outcome rejected'
  await s.expectEnding(rejected, { ...ended, approvals: ['rejected'], receipts: [...ofRejected, end] })
  await s.expectEnding(vetoed, { ...ended, approvals: ['approved'], receipts: [...ofVetoed, end] })
})

test('a call of a tool whose worker is killed is not sent again: nobody knows', async () => {
  const run = await s.park('note')
  toTools.swallowAnswersAfter('"tools/call"')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await toTools.patternSeen()
  await eventually(async () => s.notes(run).length === 1)
  await worker.kill()
  toTools.cut()
  toTools.reset()
  worker = await startWorkerProcess(s.world)
  await s.expectEnding(run, {
    state: 'waiting_for_resolution',
    writebacks: ['unknown'],
    receipts: ['approve by lena@acme.example', 'outcome unknown'],
    notes: 1,
  })
  await s.lena.resolveWriteback({ writeback_id: run.approval.writeback_id, resolution: 'applied' })
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
})

test('a call that is held while its worker is killed is not sent again either', async () => {
  const run = await s.park('note')
  toTools.holdFrom('"tools/call"')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await toTools.patternSeen()
  await replaceWorker()
  toTools.reset()
  const ending = await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
  expect(ending.notes).toBeLessThanOrEqual(1)
  expect(ending.receipts).toEqual(['approve by lena@acme.example', 'outcome unknown'])
})

test('a call that may be repeated is repeated, with the same key', async () => {
  const run = await s.park('note-again')
  toTools.swallowAnswersAfter('"tools/call"')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await toTools.patternSeen()
  await eventually(async () => s.notes(run).length === 1)
  await worker.kill()
  toTools.cut()
  toTools.reset()
  worker = await startWorkerProcess(s.world)
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    notes: 2,
  })
  const keys = s.notes(run).map(({ meta }) => meta?.['countersign/idempotencyKey'])
  expect(new Set(keys).size).toBe(1)
})

test('a reading whose worker is killed is simply done again', async () => {
  toTools.swallowAnswersAfter('"tools/call"')
  const run = await s.start('look')
  await toTools.patternSeen()
  await worker.kill()
  toTools.cut()
  toTools.reset()
  worker = await startWorkerProcess(s.world)
  await s.expectEnding(run, { state: 'completed', result: { about: run.account, level: 3 }, receipts: [] })
})
