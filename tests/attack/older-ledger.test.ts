/**
 * The ledger goes back behind what has happened: a standby takes over that had not got everything, or a backup is
 * restored. Nobody has to mean harm for it. What others know (the attempt that has sent, Temporal) is asked before
 * anything is sent again or signed. Real servers, promoted and restored.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CHANGE, NOTE, NOTE_AGAIN, ONE_LEAD } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { startOwnPostgres, type OwnPostgres } from '../support/own-servers.ts'
import { startWorkerHere, startWorkerProcess } from '../support/own-worker.ts'
import { reconcileLater } from '../support/reconcile.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let postgres: OwnPostgres
let s: Scenario
let stopWorker: (() => Promise<void>) | undefined
const secrets: Record<string, string> = {}
/** While it is set, calls of tools are noted and wait: for its answer, or for ever. */
let held: { arrived: number; answer: Promise<void> } | null = null

beforeAll(async () => {
  postgres = await startOwnPostgres()
  s = await startScenario({
    worker: false,
    servers: { databaseUrl: postgres.url },
    beforeApply: async (world) => {
      stopWorker = await startWorkerHere(world, { database: world.database, secrets })
    },
  })
  Object.assign(secrets, s.secrets)
  for (const tool of s.server.tools.filter(({ name }) => name.startsWith('note')))
    tool.run = async ({ about: account }) => {
      if (held) {
        held.arrived++
        await held.answer
      }
      return { ...textResult('noted'), structuredContent: { noted: account } }
    }
  await s.define('pay', [NOTE], ONE_LEAD)
  await s.define('pay-and-wait', [NOTE, { name: 'nap', sleep: { for: '1h' } }], ONE_LEAD)
  await s.define('pay-again', [NOTE_AGAIN], ONE_LEAD)
  await s.define('pay-at-once', [NOTE], { allow: true })
  await s.define('change', [CHANGE], ONE_LEAD)
})

afterEach(() => {
  held = null
})

afterAll(async () => {
  await stopWorker?.()
  await s.close()
  await postgres.close()
})

const NEVER = new Promise<void>(() => undefined)

/** An approved call has reached its target, and a standby takes over that knows neither decision nor attempt. */
async function failOverWhileCalled(name: string, answer: Promise<void>): Promise<StartedRun> {
  const run = await s.park(name)
  const standby = await postgres.follow()
  await standby.caughtUp()
  await standby.cutOff()
  const call = (held = { arrived: 0, answer })
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await eventually(async () => call.arrived > 0)
  await standby.failOver()
  return run
}

describe('a standby takes over that does not know of the attempt', () => {
  test('whose answer comes: it is recorded, and nothing is sent again', async () => {
    let answer = (): void => undefined
    const answered = new Promise<void>((resolve) => (answer = resolve))
    const run = await failOverWhileCalled('pay', answered)
    expect(await s.look(run)).toMatchObject({ writebacks: ['planned'], receipts: [] })
    answer()
    await s.expectEnding(run, {
      state: 'completed',
      result: { noted: run.account },
      writebacks: ['applied'],
      receipts: ['outcome applied'],
      notes: 1,
    })
  })

  test('whose answer is lost: nobody knows, and nothing is sent again', async () => {
    const run = await failOverWhileCalled('pay', NEVER)
    await s.expectEnding(run, {
      state: 'waiting_for_resolution',
      writebacks: ['unknown'],
      receipts: ['outcome unknown'],
      notes: 1,
    })
  })

  test('whose worker dies with it: nobody knows, and nothing is sent again', async () => {
    await stopWorker?.()
    stopWorker = undefined
    const worker = await startWorkerProcess(s.world)
    const run = await failOverWhileCalled('pay', NEVER)
    await worker.kill()
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
    await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'], notes: 1 })
  })

  test('of a tool that recognises its key: it is sent with the same key, and its answer counts', async () => {
    const run = await failOverWhileCalled('pay-again', NEVER)
    held = null
    await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 2 })
    const keys = s.notes(run).map(({ meta }) => meta?.['countersign/idempotencyKey'])
    expect(new Set(keys).size).toBe(1)
  })

  test('nor of the write: it is put back as it was', async () => {
    const standby = await postgres.follow()
    await standby.caughtUp()
    const call = (held = { arrived: 0, answer: NEVER })
    await standby.cutOff()
    const run = await s.start('pay-at-once')
    await eventually(async () => call.arrived > 0)
    await standby.failOver()
    const receipts = () =>
      s.world.database.query(`select envelope from receipts where run_id = $1`, [run.runId])
    await eventually(async () => (await receipts()).rows.length > 0, 30_000)
    const { rows } = await s.world.database.query('select state, attempt from writebacks where run_id = $1', [
      run.runId,
    ])
    expect(rows).toEqual([{ state: 'unknown', attempt: 1 }])
    expect(s.notes(run)).toHaveLength(1)
  })
})

describe('an older backup of the ledger', () => {
  test('is not concluded from: what runs have done since is unknown, and no receipt says otherwise', async () => {
    const [done, cut] = [await s.park('pay'), await s.park('pay-and-wait')]
    const waits = await s.park('pay')
    const backup = await postgres.backUp()
    for (const { approval } of [done, cut])
      await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    await s.expectEnding(done, { state: 'completed', writebacks: ['applied'], notes: 1 })
    await s.expectEnding(cut, { writebacks: ['applied'], notes: 1 })
    await terminated(cut)
    // An ordinary one: nobody has decided, and nothing was sent.
    await terminated(waits)
    await s.expectEnding(waits, { writebacks: ['withdrawn'] })
    await postgres.restore(backup)
    for (const run of [done, cut])
      expect(await s.look(run)).toMatchObject({ writebacks: ['planned'], receipts: [] })
    await reconcileLater({ ...s.world, client: s.world.temporal })
    for (const run of [done, cut])
      expect(await s.look(run)).toMatchObject({ writebacks: ['unknown'], receipts: ['outcome unknown'] })
    expect(await messageOf(done)).toMatch(
      /older than the run.*history says applied, with receipt 2, [0-9a-f]{12}…/,
    )
    expect(await messageOf(cut)).toMatch(
      /older than the run.*history says applied, with receipt 2, [0-9a-f]{12}…/,
    )
    expect(await s.look(waits)).toMatchObject({ writebacks: ['withdrawn'], receipts: ['outcome withdrawn'] })
  })
})

async function terminated(run: StartedRun): Promise<void> {
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('operator')
  await s.expectEnding(run, { state: 'terminated' })
}

async function messageOf(run: StartedRun): Promise<string> {
  const last = (await s.statements(run)).at(-1)
  return String(last?.predicate['message'])
}
