/**
 * An operator takes a payment that hangs in hand: he resets its activity and what it has told, unpauses it so, or ends it
 * himself; and the ledger has lost the claim (he has the address of its database, too). It is never paid twice, and no
 * receipt says that it was never sent.
 */
import { defaultPayloadConverter } from '@temporalio/common'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { writebackIdOf } from '../../schemas/names.ts'
import { startForeignWorker } from '../support/attack-world.ts'
import { connections, LOOK } from '../support/automations.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { startLostClaims, answer, type LostClaims } from '../support/lost-claims.ts'
import { reconcileLater } from '../support/reconcile.ts'
import type { Scenario, StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Of one organization, by a worker. */
const CALLS_AT_ONCE = 75
/** Longer than until the first ordinary heartbeat. */
const SLOW_MS = 1_400

let bank: LostClaims
let s: Scenario

beforeAll(async () => {
  bank = await startLostClaims()
  s = bank.s
})
afterAll(() => bank?.close())
beforeEach(() => bank.beginAnew())

const unanswered = (): void => undefined
const paid: LostClaims['onCall'] = (response, id) => answer(response, { id, result: { content: [] } })

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

const NOBODY_KNOWS = { writebacks: ['unknown'], receipts: ['outcome unknown'] }

test.each<[string, Command]>([
  ['reset', resetAll],
  ['unpaused as a first attempt', unpause(true)],
  ['unpaused', unpause(false)],
])('one that is %s between two attempts, without its heartbeats, is not paid again', async (_, command) => {
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await bank.forget(run)
  await command(run)
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(bank.sent).toBe(1)
  expect((await s.statements(run)).at(-1)?.predicate['message']).toContain('erased by hand')
})

test('one that is unpaused so while its organization is busy is not paid again', async () => {
  const [tools] = connections({ toolsUrl: s.server.url })
  await s.apply({ ...tools, name: 'slow', spec: { ...(tools?.['spec'] as object), timeout: '2m' } })
  const step = { ...LOOK, tool_call: { ...(LOOK['tool_call'] as object), connection: 'slow' } }
  await s.define('look-slowly', [step], { allow: true })
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await pause(run)
  const answers: (() => void)[] = []
  bank.onCall = (response, id) => void answers.push(() => answer(response, { id, result: { content: [] } }))
  for (let count = 0; count < CALLS_AT_ONCE; count++) await s.start('look-slowly')
  await eventually(async () => answers.length === CALLS_AT_ONCE)
  await bank.forget(run)
  await service().unpauseActivity({ ...(await named(run)), resetHeartbeat: true })
  await eventually(
    async () => (await activityOf(run)).lastFailure?.applicationFailureInfo?.type === 'ORGANIZATION_BUSY',
  )
  for (const give of answers) give()
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(bank.sent).toBe(1 + CALLS_AT_ONCE)
})

test('one that is reset during its call, whose answer is lost then, is not paid again', async () => {
  bank.onCall = unanswered
  const run = await s.start('pay-at-once')
  await eventually(async () => bank.sent > 0)
  await resetAll(run)
  await untilFailed(run)
  await bank.forget(run)
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(bank.sent).toBe(1)
})

test.each<[string, Command, number]>([
  ['reset', resetAll, 0],
  ['reset, and was slow,', resetAll, SLOW_MS],
  ['paused', pause, 0],
])('one that is %s while it waits for its claim is not sent by that attempt', async (name, command, ms) => {
  bank.onCall = paid
  bank.listsAfterMs = ms
  const unlock = await lockConnection(s.world.database, 'tools')
  const run = await s.start('pay-at-once')
  await claimWaits(s.world.database)
  await command(run)
  await unlock()
  await eventually(async () => bank.sent > 0 || (await activityOf(run)).lastFailure)
  expect(bank.sent).toBe(0)
  expect((await activityOf(run)).lastFailure?.applicationFailureInfo?.type).toBe('WRITE_NOT_SENT')
  if (name === 'paused') await service().unpauseActivity(await named(run))
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  expect(bank.sent).toBe(1)
})

test('one that is reset with its heartbeats is paid', async () => {
  bank.onCall = paid
  await s.world.admin.freezeConnection({ name: 'tools' })
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await s.world.admin.thawConnection({ name: 'tools' })
  await reset(run)
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  expect(bank.sent).toBe(1)
})

test('of one that is failed by hand during its call no receipt says that it was never sent', async () => {
  bank.onCall = unanswered
  const run = await s.start('pay-at-once')
  await eventually(async () => bank.sent > 0)
  await bank.forget(run)
  await fail(run)
  await s.expectEnding(run, { state: 'failed', ...NOBODY_KNOWS })
  expect(bank.sent).toBe(1)
  expect((await s.statements(run)).at(-1)?.predicate['message']).toContain('ended by hand')
})

test.each<['during its call' | 'between two attempts']>([['during its call'], ['between two attempts']])(
  'of one that is completed by hand %s the reconciler does not say so either',
  async (when) => {
    if (when === 'during its call') bank.onCall = unanswered
    const run = await s.start('pay-at-once')
    await (when === 'during its call' ? eventually(async () => bank.sent > 0) : untilFailed(run))
    await bank.forget(run)
    await complete(run)
    await s.expectEnding(run, { state: 'completed' })
    await reconcileLater({ ...s.world, client: s.world.temporal })
    await s.expectEnding(run, NOBODY_KNOWS)
    expect(bank.sent).toBe(1)
  },
)

/** A worker takes it up, and dies before it has said a word. */
const takeAndDie: Command = async (run) => {
  const poll = {
    namespace: 'default',
    taskQueue: { name: s.world.taskQueue },
    identity: 'a worker that dies',
  }
  const { connection } = s.world.temporal
  const { attempt } = await activityOf(run)
  await connection.withDeadline(Date.now() + 30_000, () => service().pollActivityTaskQueue(poll))
  await eventually(async () => (await activityOf(run)).attempt !== attempt)
  expect((await activityOf(run)).lastFailure).toHaveProperty('timeoutFailureInfo')
}

test('one that is unpaused so, and whose next workers die before their first word, is not paid again', async () => {
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await bank.stopWorker()
  await bank.forget(run)
  await unpause(false)(run)
  // Each waits for twice as long as the one before.
  do await takeAndDie(run)
  while (((await activityOf(run)).attempt ?? 0) < 5)
  await bank.startWorker()
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(bank.sent).toBe(1)
})

test.each<[string, Command]>([
  ['before', async () => undefined],
  ['and whose next worker has died before', takeAndDie],
])('of one whose heartbeats were erased %s its run was terminated, neither', async (_, and) => {
  const run = await s.start('pay-at-once')
  await untilFailed(run)
  await bank.stopWorker()
  await bank.forget(run)
  await resetAll(run)
  await and(run)
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('operator')
  await reconcileLater({ ...s.world, client: s.world.temporal })
  await s.expectEnding(run, NOBODY_KNOWS)
  expect(bank.sent).toBe(1)
  await bank.startWorker()
})

test('a workflow that is made up has no receipt that says so', async () => {
  const foreign = await startForeignWorker(s.world)
  try {
    bank.onCall = unanswered
    const run = await s.start('pay-at-once')
    await eventually(async () => bank.sent > 0)
    await bank.forget(run)
    const writebackId = writebackIdOf({ runId: run.runId, path: 'note', round: 1 })
    const params = { organization: 'acme', writebackId, because: 'withdrawn' }
    expect(await foreign.callActivity('abandonWriteback', params)).toMatchObject({ kind: 'under_way' })
    await s.expectEnding(run, NOBODY_KNOWS)
    expect(bank.sent).toBe(1)
  } finally {
    await foreign.close()
  }
})
