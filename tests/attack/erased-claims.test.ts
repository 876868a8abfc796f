/**
 * He has the address of the database that a worker has, and says of a write under way that it is planned. What Temporal was
 * told of it is not erased by what it is told later: the server was slow, so that the attempt has beaten before its claim.
 */
import type { ServerResponse } from 'node:http'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { connections, NOTE } from '../support/automations.ts'
import { addressFor } from '../support/logins.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Longer than between two ordinary heartbeats. */
const SLOW_MS = 1_400

let s: Scenario
let stolen: pg.Pool
let stopWorker: () => Promise<void>
const secrets: Record<string, string> = {}
let sent = 0
let onCall: (response: ServerResponse, id: unknown) => void

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    intercept: ({ method, id }, response: ServerResponse) => {
      if (method === 'tools/list')
        setTimeout(() => answer(response, { id, result: { tools: listed() } }), SLOW_MS)
      else if (method === 'tools/call') {
        sent++
        onCall(response, id)
      } else return false
      return true
    },
    beforeApply: async (world) => {
      stopWorker = await startWorkerHere(world, { database: world.database, secrets })
    },
  })
  Object.assign(secrets, s.secrets)
  const short = connections({ toolsUrl: s.server.url })
  await s.apply(...short.map((each) => ({ ...each, spec: { ...(each['spec'] as object), timeout: '4s' } })))
  await s.define('pay-at-once', [NOTE], { allow: true })
  stolen = new pg.Pool({ connectionString: addressFor('worker', s.world.databaseUrl) })
})

afterAll(async () => {
  await stolen?.end()
  await stopWorker?.()
  await s?.close()
})

beforeEach(() => {
  sent = 0
  onCall = (response) => response.destroy()
})

function listed(): unknown[] {
  return s.server.tools.map(({ run: _run, ...tool }) => tool)
}

function answer(response: ServerResponse, message: Record<string, unknown>): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

/** The attempt has failed, the next one is not due yet, and the row says that there was none. */
async function calledPlanned(run: StartedRun): Promise<void> {
  await eventually(async () => {
    const { raw } = await s.world.temporal.workflow.getHandle(run.workflowId).describe()
    return sent > 0 && raw.pendingActivities?.some(({ lastFailure }) => lastFailure)
  })
  await stolen.query(
    `update writebacks set state = 'planned', deadline_at = null, attempt = 0 where run_id = $1`,
    [run.runId],
  )
}

test('a write under way that is called planned is not sent again', async () => {
  const run = await s.start('pay-at-once')
  await calledPlanned(run)
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect(sent).toBe(1)
})

test('what the server has said of it is told, and it is not sent again', async () => {
  onCall = (response, id) =>
    setTimeout(() => answer(response, { id, error: { code: -32603, message: 'the bank said no' } }), SLOW_MS)
  const run = await s.start('pay-at-once')
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect((await s.statements(run)).at(-1)?.predicate['message']).toContain('the bank said no')
  expect(sent).toBe(1)
})

test('of one that is cancelled then, no receipt says that it was never sent', async () => {
  const run = await s.start('pay-at-once')
  await calledPlanned(run)
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect(sent).toBe(1)
})

test('one whose worker stops during the call is not sent again by the next worker', async () => {
  onCall = () => undefined
  const run = await s.start('pay-at-once')
  await eventually(async () => sent > 0)
  await stopWorker()
  await calledPlanned(run)
  stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect(sent).toBe(1)
})
