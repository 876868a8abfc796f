/**
 * Workers that stand still (a stopped process, a frozen machine), or whose wire does, while others go on, and go on when
 * everybody has concluded. What was not sent before its deadline is not sent after it.
 */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import { CALL_TIMEOUT, CHANGE, LOOK, ONE_LEAD, SHOP } from '../support/automations.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { startTestMcpServer, type TestMcpServer } from '../support/mcp-server.ts'
import { startWorkerProcess, type WorkerProcess } from '../support/own-worker.ts'
import { PAYING_SETTINGS, payingTools, paymentStep, type PaymentBook } from '../support/paying.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { startTcpProxy, type Direction, type TcpProxy } from '../support/tcp-proxy.ts'
import { eventually, type World } from '../support/world.ts'

/** Longer than a call may take, and shorter than the ledger waits for its attempt. */
const HELD_MS = 2_500
/** Temporal has taken the worker for dead, and given it the next attempt. */
const TAKEN_FOR_DEAD_MS = 10_000

let s: Scenario
let folder: string
let paying: TestMcpServer
let toPaying: TcpProxy
let toTemporal: TcpProxy
let worker: WorkerProcess
let other: WorkerProcess | undefined
let book: PaymentBook

beforeAll(async () => {
  const script = fileURLToPath(new URL('../support/paying-stdio.ts', import.meta.url))
  folder = mkdtempSync(join(tmpdir(), 'countersign-paid-'))
  const file = join(folder, 'payments')
  book = bookIn(file)
  paying = await startTestMcpServer({ tools: payingTools(book) })
  toPaying = await startTcpProxy(paying.url)
  toTemporal = await startTcpProxy(`tcp://${inject('temporalAddress')}`)
  s = await startScenario({
    worker: false,
    commands: { paying: { command: process.execPath, args: ['--import', 'tsx', script, file] } },
    beforeApply: async (world: World) => {
      worker = await startWorkerProcess(world, { TEMPORAL_ADDRESS: `127.0.0.1:${toTemporal.port}` })
    },
  })
  const common = { type: 'mcp', tools: PAYING_SETTINGS, timeout: CALL_TIMEOUT }
  const overHttp = { transport: 'http', url: toPaying.urlThrough(paying.url), allow_private_addresses: true }
  await s.apply(
    { kind: 'Connection', name: 'http', spec: { ...common, ...overHttp } },
    { kind: 'Connection', name: 'stdio', spec: { ...common, transport: 'stdio', command: 'paying' } },
  )
  for (const connection of ['http', 'stdio'])
    for (const tool of ['pay', 'pay_checked', 'pay_again'])
      await s.define(automationOf(connection, tool), [paymentStep(connection, tool)], ONE_LEAD)
  await s.define('change', [CHANGE], ONE_LEAD)
  await s.define('look', [LOOK], { allow: true })
})

afterEach(async () => {
  toPaying.reset()
  toTemporal.reset()
  worker.resume()
  await other?.kill()
  other = undefined
})

afterAll(async () => {
  await worker?.kill()
  await s?.close()
  await Promise.all([toPaying?.close(), toTemporal?.close(), paying?.close()])
  rmSync(folder, { recursive: true, force: true })
})

function automationOf(connection: string, tool: string): string {
  return `${connection}-${tool.replace('_', '-')}`
}

function bookIn(file: string): PaymentBook {
  writeFileSync(file, '')
  return {
    add: (account) => appendFileSync(file, `${account}\n`),
    count: (account) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line === account).length,
  }
}

async function isClaimed(run: StartedRun): Promise<boolean> {
  const { rowCount } = await s.world.database.query(
    'select from writebacks where run_id = $1 and attempt > 0',
    [run.runId],
  )
  return rowCount === 1
}

/** An approved write whose claim waits, with another worker there that may take over. */
async function waitInClaim(
  automation: string,
  connection: string,
): Promise<{ run: StartedRun; unlock: () => Promise<void> }> {
  const run = await s.park(automation)
  const unlock = await lockConnection(s.world.database, connection)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await claimWaits(s.world.database)
  other = await startWorkerProcess(s.world)
  return { run, unlock }
}

/** Temporal hears no more of a machine that stands still: what it has asked for is not given to it. */
function stop(): void {
  worker.pause()
  toTemporal.cut()
}

/** An approved write whose worker is stopped when its claim has reached the ledger, and hears nothing of it. */
async function stopInsideClaim(automation: string, connection: string): Promise<StartedRun> {
  const { run, unlock } = await waitInClaim(automation, connection)
  stop()
  await unlock()
  await eventually(() => isClaimed(run))
  return run
}

/** The stopped worker has done all that it had before it when it ends something that came later. */
async function goOn(): Promise<void> {
  worker.resume()
  await other?.kill()
  await s.expectEnding(await s.start('look'), { state: 'completed' })
}

describe('a worker that is stopped inside its claim, and goes on when another one has concluded,', () => {
  test.each(['stdio', 'http'])('does not pay over %s what a lead has signed as not done', async (by) => {
    const run = await stopInsideClaim(automationOf(by, 'pay'), by)
    await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
    const { items } = await s.world.admin.listWritebacks({ run_id: run.runId })
    const resolution = { writeback_id: items[0]?.writeback_id ?? '', resolution: 'not_applied' as const }
    await s.lena.resolveWriteback(resolution)
    await s.expectEnding(run, { state: 'failed', code: 'NOT_APPLIED' })
    await goOn()
    expect(book.count(run.account)).toBe(0)
  })

  test.each([
    ['stdio', 'pay_checked'],
    ['stdio', 'pay_again'],
    ['http', 'pay_checked'],
    ['http', 'pay_again'],
  ])('does not pay over %s with %s a second time', async (by, tool) => {
    const run = await stopInsideClaim(automationOf(by, tool), by)
    await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
    await goOn()
    expect(book.count(run.account)).toBe(1)
  })

  test('does not change the row a second time', async () => {
    const run = await stopInsideClaim('change', SHOP)
    await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], changes: 1 })
    await goOn()
    expect(await s.look(run)).toMatchObject({
      changes: 1,
      receipts: ['approve by lena@acme.example', 'outcome applied'],
    })
  })
})

test('a worker that is stopped between its claim and the call does not pay a second time', async () => {
  const { run, unlock } = await waitInClaim('http-pay-checked', 'http')
  toPaying.holdFrom('"initialize"')
  await unlock()
  await toPaying.patternSeen()
  stop()
  toPaying.reset()
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  await goOn()
  expect(book.count(run.account)).toBe(1)
})

describe('a claim of which Temporal hears only when the time of its call is over', () => {
  /** From right before the claim on nothing goes over the wire to Temporal in these directions; nobody hangs up. */
  async function claimUnheard(...held: Direction[]): Promise<StartedRun> {
    const run = await s.park('http-pay')
    const unlock = await lockConnection(s.world.database, 'http')
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await claimWaits(s.world.database)
    for (const direction of held) toTemporal.hold(direction)
    await unlock()
    await eventually(() => isClaimed(run))
    return run
  }

  test('is followed by no call: it is claimed anew, and sent in time', async () => {
    const run = await claimUnheard('toServer', 'toClient')
    // Whatever is sent from now on is sent by this attempt.
    await s.world.admin.freezeConnection({ name: 'http', reason: 'a test' })
    await new Promise((resolve) => setTimeout(resolve, HELD_MS))
    expect(await s.look(run)).toMatchObject({ writebacks: ['sending'] })
    toTemporal.reset()
    await s.expectEnding(run, { writebacks: ['planned'] })
    expect(book.count(run.account)).toBe(0)
    await s.world.admin.thawConnection({ name: 'http' })
    await s.expectEnding(run, {
      state: 'completed',
      writebacks: ['applied'],
      receipts: ['approve by lena@acme.example', 'outcome applied'],
    })
    expect(book.count(run.account)).toBe(1)
  })

  test('is followed by at most one call, and nothing is concluded before Temporal answers', async () => {
    // Temporal takes the worker for dead, and its next task still reaches it.
    const run = await claimUnheard('toServer')
    await new Promise((resolve) => setTimeout(resolve, TAKEN_FOR_DEAD_MS))
    expect(await s.look(run)).toMatchObject({ writebacks: ['sending'] })
    toTemporal.reset()
    const [state] = await eventually(async () => {
      const { writebacks } = await s.look(run)
      return ['applied', 'unknown'].includes(writebacks[0] ?? '') && writebacks
    })
    await goOn()
    expect(book.count(run.account)).toBe(state === 'applied' ? 1 : 0)
    const approved = 'approve by lena@acme.example'
    expect(await s.look(run)).toMatchObject({ receipts: [approved, `outcome ${state}`] })
  })
})
