/**
 * An operator takes a payment that hangs in hand: he resets its activity and what it has told, unpauses it so, or ends it
 * himself; and the ledger has lost the claim (he has the address of its database, too). It is never paid twice, and no
 * receipt says that it was never sent.
 */
import type { ServerResponse } from 'node:http'
import { defaultPayloadConverter } from '@temporalio/common'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { writebackIdOf } from '../../schemas/names.ts'
import { startForeignWorker } from '../support/attack-world.ts'
import { connections, NOTE } from '../support/automations.ts'
import { addressFor } from '../support/logins.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { reconcileLater } from '../support/reconcile.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Longer than until the first ordinary heartbeat. */
const SLOW_MS = 1_400

let s: Scenario
let stolen: pg.Pool
let stopWorker: () => Promise<void>
const secrets: Record<string, string> = {}
let sent = 0
let onCall: (response: ServerResponse, id: unknown) => void
let listsAfterMs = 0

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    intercept: ({ method, id }, response: ServerResponse) => {
      if (method === 'tools/list' && listsAfterMs > 0) {
        const tools = s.server.tools.map(({ run: _run, ...tool }) => tool)
        setTimeout(() => answer(response, id, { tools }), listsAfterMs)
        return true
      }
      if (method !== 'tools/call') return false
      sent++
      onCall(response, id)
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
  listsAfterMs = 0
  onCall = (response) => response.destroy()
})

function answer(response: ServerResponse, id: unknown, result: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
}

const unanswered = (): void => undefined
const paid = (response: ServerResponse, id: unknown): void => answer(response, id, { content: [] })

const activityOf = (run: StartedRun) =>
  eventually(async () => {
    const { raw } = await s.world.temporal.workflow.getHandle(run.workflowId).describe()
    return raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'perform')
  })

/** An attempt has failed, and the next one is not due yet. */
const untilFailed = (run: StartedRun) => eventually(async () => !!(await activityOf(run)).lastFailure)

async function named(run: StartedRun) {
  const { activityId } = await activityOf(run)
  const { workflowId } = run
  return { namespace: 'default', identity: 'an operator', execution: { workflowId }, id: activityId ?? '' }
}

const service = () => s.world.temporal.workflowService
type Command = (run: StartedRun) => Promise<void>

const resetAll: Command = async (run) => {
  await service().resetActivity({ ...(await named(run)), resetHeartbeat: true })
}
const reset: Command = async (run) => {
  await service().resetActivity(await named(run))
}
const pause: Command = async (run) => {
  await service().pauseActivity(await named(run))
}
const unpause =
  (resetAttempts: boolean): Command =>
  async (run) => {
    await pause(run)
    await service().unpauseActivity({ ...(await named(run)), resetHeartbeat: true, resetAttempts })
  }

/** As `temporal activity fail` and `complete` do it. */
const fail: Command = async (run) => {
  const { execution, id: activityId, ...rest } = await named(run)
  const applicationFailureInfo = { type: 'STUCK', nonRetryable: true }
  const failure = { message: 'it hangs', source: 'CLI', applicationFailureInfo }
  await service().respondActivityTaskFailedById({ ...rest, ...execution, activityId, failure })
}
const complete: Command = async (run) => {
  const { execution, id: activityId, ...rest } = await named(run)
  const result = { kind: 'done', outcome: { kind: 'read', output: null } }
  const payloads = [defaultPayloadConverter.toPayload(result)]
  await service().respondActivityTaskCompletedById({
    ...rest,
    ...execution,
    activityId,
    result: { payloads },
  })
}

async function calledPlanned(run: StartedRun): Promise<void> {
  await stolen.query(
    `update writebacks set state = 'planned', deadline_at = null, attempt = 0 where run_id = $1`,
    [run.runId],
  )
}

const NOBODY_KNOWS = { writebacks: ['unknown'], receipts: ['outcome unknown'] }

test.each<[string, Command]>([
  ['reset', resetAll],
  ['unpaused as a first attempt', unpause(true)],
  ['unpaused', unpause(false)],
])('one that is %s between two attempts, without its heartbeats, is not paid again', async (_, command) => {
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await calledPlanned(run)
  await command(run)
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(sent).toBe(1)
  expect((await s.statements(run)).at(-1)?.predicate['message']).toContain('erased by hand')
})

test('one that is reset during its call, whose answer is lost then, is not paid again', async () => {
  onCall = unanswered
  const run = await s.start('pay-at-once')
  await eventually(async () => sent > 0)
  await resetAll(run)
  await untilFailed(run)
  await calledPlanned(run)
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(sent).toBe(1)
})

test.each<[string, Command, number]>([
  ['reset', resetAll, 0],
  ['reset, and was slow,', resetAll, SLOW_MS],
  ['paused', pause, 0],
])('one that is %s while it waits for its claim is not sent by that attempt', async (name, command, ms) => {
  onCall = paid
  listsAfterMs = ms
  const holder = await s.world.database.connect()
  await holder.query('begin')
  await holder.query(`select from manifests where kind = 'Connection' and name = 'tools' for update`)
  const run = await s.start('pay-at-once')
  await eventually(async () => {
    const { rowCount } = await s.world.database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rowCount === 1
  })
  await command(run)
  await holder.query('commit')
  holder.release()
  await eventually(async () => sent > 0 || (await activityOf(run)).lastFailure)
  expect(sent).toBe(0)
  expect((await activityOf(run)).lastFailure?.applicationFailureInfo?.type).toBe('WRITE_NOT_SENT')
  if (name === 'paused') await service().unpauseActivity(await named(run))
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  expect(sent).toBe(1)
})

test('one that is reset with its heartbeats is paid', async () => {
  onCall = paid
  await s.world.admin.freezeConnection({ name: 'tools' })
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await s.world.admin.thawConnection({ name: 'tools' })
  await reset(run)
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  expect(sent).toBe(1)
})

test('of one that is failed by hand during its call no receipt says that it was never sent', async () => {
  onCall = unanswered
  const run = await s.start('pay-at-once')
  await eventually(async () => sent > 0)
  await calledPlanned(run)
  await fail(run)
  await s.expectEnding(run, { state: 'failed', ...NOBODY_KNOWS })
  expect(sent).toBe(1)
  expect((await s.statements(run)).at(-1)?.predicate['message']).toContain('ended by hand')
})

test.each<['during its call' | 'between two attempts']>([['during its call'], ['between two attempts']])(
  'of one that is completed by hand %s the reconciler does not say so either',
  async (when) => {
    if (when === 'during its call') onCall = unanswered
    const run = await s.start('pay-at-once')
    await (when === 'during its call' ? eventually(async () => sent > 0) : untilFailed(run))
    await calledPlanned(run)
    await complete(run)
    await s.expectEnding(run, { state: 'completed' })
    await reconcileLater({ ...s.world, client: s.world.temporal })
    await s.expectEnding(run, NOBODY_KNOWS)
    expect(sent).toBe(1)
  },
)

test('of one whose heartbeats were erased before its run was terminated, neither', async () => {
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await stopWorker()
  await calledPlanned(run)
  await resetAll(run)
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('operator')
  await reconcileLater({ ...s.world, client: s.world.temporal })
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(sent).toBe(1)
  stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
})

test('a workflow that is made up has no receipt that says so', async () => {
  const foreign = await startForeignWorker(s.world)
  try {
    onCall = unanswered
    const run = await s.start('pay-at-once')
    await eventually(async () => sent > 0)
    await calledPlanned(run)
    const writebackId = writebackIdOf({ runId: run.runId, path: 'note', round: 1 })
    const params = { organization: 'acme', writebackId, because: 'withdrawn' }
    expect(await foreign.callActivity('abandonWriteback', params)).toMatchObject({ kind: 'under_way' })
    await s.expectEnding(run, NOBODY_KNOWS)
    expect(sent).toBe(1)
  } finally {
    await foreign.close()
  }
})
