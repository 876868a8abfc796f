/**
 * He has the address of the database that a worker has, and writes to the ledger. What he makes of a row is not believed
 * over what a worker has signed: of a claim, in Temporal; of the plan, in the row.
 */
import type { ServerResponse } from 'node:http'
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ensureKeys, loadSigningKey, publicKeysFile, retireKey } from '../../lib/keys.ts'
import { connections, LOOK, NOTE } from '../support/automations.ts'
import { addressFor } from '../support/logins.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { reconcileLater } from '../support/reconcile.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
let stolen: pg.Pool
let stopWorker: () => Promise<void>
const secrets: Record<string, string> = {}
/** While it is set, calls of tools are held, and the tool is not run before they are let go. */
let held: { responses: ServerResponse[]; letGo: Promise<void> } | null = null

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    intercept: ({ method }, response) => {
      if (method === 'tools/call') held?.responses.push(response)
      return false
    },
    beforeApply: async (world) => {
      stopWorker = await startWorkerHere(world, { database: world.database, secrets })
    },
  })
  Object.assign(secrets, s.secrets)
  const note = s.server.tools.find(({ name }) => name === 'note')!
  const { run } = note
  note.run = async (args, context) => {
    await held?.letGo
    return run(args, context)
  }
  const short = connections({ toolsUrl: s.server.url })
  await s.apply(...short.map((each) => ({ ...each, spec: { ...(each['spec'] as object), timeout: '12s' } })))
  await s.define('pay-at-once', [NOTE], { allow: true })
  await s.define('peek', [LOOK], { allow: true })
  stolen = new pg.Pool({ connectionString: addressFor('worker', s.world.databaseUrl) })
})

afterEach(() => {
  held = null
})

afterAll(async () => {
  await stolen.end()
  await stopWorker()
  await s.close()
})

async function underWay(letGo = new Promise<void>(() => undefined)): Promise<StartedRun> {
  held = { responses: [], letGo }
  const run = await s.start('pay-at-once')
  await eventually(async () => s.notes(run).length > 0)
  await s.expectEnding(run, { writebacks: ['sending'] })
  return run
}

function loseAnswers(): void {
  const { responses } = held!
  held = null
  for (const response of responses) response.destroy()
}

async function peeked(): Promise<StartedRun> {
  const run = await s.start('peek')
  await s.expectEnding(run, { state: 'completed' })
  return run
}

test.each(['attempt', 'attempt + 1'])(
  'a write under way that is called planned, with %s, is not sent again',
  async (attempt) => {
    const run = await underWay()
    await stolen.query(
      `update writebacks set state = 'planned', deadline_at = null, attempt = ${attempt} where run_id = $1`,
      [run.runId],
    )
    loseAnswers()
    await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'], notes: 1 })
  },
)

/** Its answer is lost, and the workers have another key from now on. */
async function withAnotherKey(replace: (leaked: string) => void): Promise<void> {
  loseAnswers()
  await stopWorker()
  const { keysFolder } = s.world
  const { keyId } = loadSigningKey(keysFolder, 'receipt')
  unlinkSync(join(keysFolder, 'receipt.key.pem'))
  replace(keyId)
  stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
}

async function callPlanned({ runId }: StartedRun): Promise<void> {
  const set = `state = 'planned', deadline_at = null, attempt = 0`
  await stolen.query(`update writebacks set ${set} where run_id = $1`, [runId])
}

test('a claim that was signed with a key which was retired since is still a claim', async () => {
  const { keysFolder } = s.world
  const run = await underWay()
  await callPlanned(run)
  await withAnotherKey((keyId) => {
    ensureKeys(keysFolder)
    retireKey(keysFolder, { keyId, at: new Date() })
  })
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'], notes: 1 })
})

test.each(['planned', 'sending'])(
  'a write that is called %s, with a key that is not in public.json any more, is not sent again, and unknown when the key is back',
  async (state) => {
    const { keysFolder } = s.world
    const file = publicKeysFile(keysFolder)
    const before = readFileSync(file)
    const run = await underWay()
    if (state === 'planned') await callPlanned(run)
    await withAnotherKey(() => {
      unlinkSync(file)
      ensureKeys(keysFolder)
    })
    await s.expectEnding(run, { state: 'failed', writebacks: [state], receipts: [], notes: 1 })
    const { failure } = await s.world.admin.getRun({ run_id: run.runId })
    expect(failure).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      message: expect.stringMatching(/key (that is not )?in public\.json/),
    })
    await stopWorker()
    writeFileSync(file, before)
    ensureKeys(keysFolder)
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
    await reconcileLater({ ...s.world, client: s.world.temporal })
    await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'], notes: 1 })
  },
)

test.each(['plan', 'digest'])(
  'a write under way of which somebody edits the %s, and whose answer is lost, is unknown',
  async (column) => {
    const run = await underWay()
    const value = column === 'digest' ? `repeat('e', 64)` : `jsonb_set(plan, '{arguments,about}', '"them"')`
    await stolen.query(`update writebacks set ${column} = ${value} where run_id = $1`, [run.runId])
    loseAnswers()
    await s.expectEnding(run, {
      state: 'waiting_for_resolution',
      writebacks: ['unknown'],
      receipts: ['outcome unknown'],
      notes: 1,
    })
  },
)

test('a write under way that is called planned by a run that is over has no receipt that it was never sent', async () => {
  const over = await peeked()
  let answer = (): void => undefined
  const run = await underWay(new Promise((resolve) => (answer = resolve)))
  await stolen.query(
    `update writebacks set state = 'planned', attempt = 0, deadline_at = null, run_workflow_id = $2
     where run_id = $1`,
    [run.runId, over.workflowId],
  )
  await reconcileLater({ ...s.world, client: s.world.temporal })
  answer()
  await s.expectEnding(run, { writebacks: ['applied'], receipts: ['outcome applied'], notes: 1 })
})

test('of a write that no run has made the reconciler signs nothing', async () => {
  const run = await peeked()
  await stolen.query(
    `insert into writebacks (writeback_id, organization, run_id, run_workflow_id, delivery_id, automation, revision, path,
       connection, operation, executor, digest, idempotency_key, requester, plan, preview, state, attempt, deadline_at)
     select $1, organization, $2, $3, delivery_id, 'peek', 1, 'transfer', connection, operation, executor, digest,
       'csk_made_up', requester, plan, preview, 'sending', 1, now() - interval '1 hour'
     from writebacks where automation = 'pay-at-once' limit 1`,
    [`wb_${run.runId.slice(4)}.transfer.1`, run.runId, run.workflowId],
  )
  await reconcileLater({ ...s.world, client: s.world.temporal })
  expect(await s.look(run)).toMatchObject({ writebacks: ['sending'], receipts: [] })
})
