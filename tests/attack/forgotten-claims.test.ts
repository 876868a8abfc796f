/**
 * A standby takes over that lacks the claim of a write that was sent, and nobody tries again: the run is cancelled,
 * terminated or reset between two attempts. What Temporal was told is asked for before anything is concluded, or sent.
 */
import type { ServerResponse } from 'node:http'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writebackIdOf, writebackWorkflowId } from '../../schemas/names.ts'
import { connections, NOTE, ONE_LEAD } from '../support/automations.ts'
import { startOwnPostgres, type OwnPostgres } from '../support/own-servers.ts'
import { startWorkerHere, startWorkerProcess } from '../support/own-worker.ts'
import { reconcileLater } from '../support/reconcile.ts'
import { reset } from '../support/resets.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const { PENDING_ACTIVITY_STATE_SCHEDULED: SCHEDULED, PENDING_ACTIVITY_STATE_CANCEL_REQUESTED: CANCELLING } =
  temporal.api.enums.v1.PendingActivityState

let postgres: OwnPostgres
let s: Scenario
let stopWorker: () => Promise<void>
const secrets: Record<string, string> = {}
/** While it is set, calls of the writing tool wait in it for an answer that never comes. */
let unanswered: ServerResponse[] | null = null

beforeAll(async () => {
  postgres = await startOwnPostgres()
  s = await startScenario({
    worker: false,
    servers: { databaseUrl: postgres.url },
    intercept: ({ method }, response) => {
      if (method === 'tools/call') unanswered?.push(response)
      return false
    },
    beforeApply: async (world) => {
      stopWorker = await startWorkerHere(world, { database: world.database, secrets })
    },
  })
  Object.assign(secrets, s.secrets)
  const noted = s.server.tools.find(({ name }) => name === 'note')
  const { run } = noted ?? { run: () => ({ content: [] }) }
  if (noted)
    noted.run = (args, context) => (unanswered ? new Promise<never>(() => undefined) : run(args, context))
  // Long enough that an attempt whose answer is lost is waited for while operators do what they do.
  await s.apply(
    ...connections({ toolsUrl: s.server.url }).map((connection) => ({
      ...connection,
      spec: { ...(connection['spec'] as object), timeout: '12s' },
    })),
  )
  await s.define('pay', [NOTE], ONE_LEAD)
  await s.define('pay-at-once', [NOTE], { allow: true })
})

afterAll(async () => {
  await stopWorker()
  await s.close()
  await postgres.close()
})

async function startWorker(): Promise<void> {
  stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
}

async function reconcile(): Promise<void> {
  await reconcileLater({ ...s.world, client: s.world.temporal })
}

interface Forgotten {
  run: StartedRun
  /** The attempt that has sent hears no more of its call. */
  loseAnswer(): void
}

/** The write was sent, its attempt waits for the answer, and the ledger has forgotten the claim. */
async function forgotten(name: 'pay' | 'pay-at-once'): Promise<Forgotten> {
  const { admin } = s.world
  const isGated = name === 'pay'
  // Held by the connection until the standby has its row.
  if (!isGated) await admin.freezeConnection({ name: 'tools', reason: 'a test' })
  const run = await s.start(name)
  const approval = isGated ? await s.approvalOf(run) : null
  await s.expectEnding(run, { writebacks: ['planned'] })
  const standby = await postgres.follow()
  await standby.caughtUp()
  await standby.cutOff()
  const calls: ServerResponse[] = (unanswered = [])
  if (approval) await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
  else await admin.thawConnection({ name: 'tools' })
  await eventually(async () => s.notes(run).length > 0)
  await standby.failOver()
  if (!isGated) await admin.thawConnection({ name: 'tools' })
  expect(await s.look(run)).toMatchObject({ writebacks: ['planned'], receipts: [], notes: 1 })
  unanswered = null
  return { run, loseAnswer: () => calls.forEach((response) => response.destroy()) }
}

/** As `forgotten`, and the next attempt is not due yet. */
async function forgottenBetweenAttempts(name: 'pay' | 'pay-at-once'): Promise<StartedRun> {
  const { run, loseAnswer } = await forgotten(name)
  loseAnswer()
  await untilAttempt(name === 'pay' ? idOfWriteback(run) : run.workflowId, SCHEDULED)
  return run
}

async function untilAttempt(
  workflowId: string,
  expected: typeof SCHEDULED | typeof CANCELLING,
): Promise<void> {
  const handle = s.world.temporal.workflow.getHandle(workflowId)
  await eventually(async () => {
    const { raw } = await handle.describe()
    return raw.pendingActivities?.some(
      ({ activityType, state, heartbeatDetails }) =>
        activityType?.name === 'perform' && state === expected && heartbeatDetails,
    )
  })
}

const NOBODY_KNOWS = { writebacks: ['unknown'], receipts: ['outcome unknown'], notes: 1 }

test.each<'pay' | 'pay-at-once'>(['pay', 'pay-at-once'])(
  'a cancel of %s between two attempts withdraws nothing that Temporal was told of',
  async (name) => {
    const run = await forgottenBetweenAttempts(name)
    await s.clerk.cancelRun({ run_id: run.runId })
    await s.expectEnding(run, NOBODY_KNOWS)
  },
)

test('a cancel of an attempt that loses its answer then withdraws nothing', async () => {
  const { run, loseAnswer } = await forgotten('pay-at-once')
  await s.clerk.cancelRun({ run_id: run.runId })
  await untilAttempt(run.workflowId, CANCELLING)
  loseAnswer()
  await s.expectEnding(run, NOBODY_KNOWS)
})

test('a cancel of an attempt whose worker dies then withdraws nothing', async () => {
  await stopWorker()
  const worker = await startWorkerProcess(s.world)
  const { run } = await forgotten('pay-at-once')
  await s.clerk.cancelRun({ run_id: run.runId })
  await untilAttempt(run.workflowId, CANCELLING)
  await worker.kill()
  await startWorker()
  await s.expectEnding(run, NOBODY_KNOWS)
})

test('a termination between two attempts withdraws nothing that Temporal was told of', async () => {
  const run = await forgottenBetweenAttempts('pay-at-once')
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('operator')
  await reconcile()
  await s.expectEnding(run, NOBODY_KNOWS)
})

test('a run that is reset between two attempts does not write again', async () => {
  const run = await forgottenBetweenAttempts('pay-at-once')
  await reset(s.world, run)
  await s.expectEnding(run, NOBODY_KNOWS)
})

test('a writeback that is reset between two attempts does not write again', async () => {
  const run = await forgottenBetweenAttempts('pay')
  await reset(s.world, { workflowId: idOfWriteback(run) }, 'last')
  await s.expectEnding(run, NOBODY_KNOWS)
})

test('a run that is reset, and then cancelled before it has come to its write, withdraws nothing', async () => {
  const run = await paidBeforeRestore()
  await reset(s.world, run)
  await s.clerk.cancelRun({ run_id: run.runId })
  await startWorker()
  await s.expectEnding(run, NOBODY_KNOWS)
})

function idOfWriteback({ runId }: StartedRun): string {
  const writebackId = writebackIdOf({ runId, path: 'note', round: 1 })
  return writebackWorkflowId({ organization: 'acme', writebackId })
}

test('a run that is reset over a ledger without its row, and without the receipt, does not write again', async () => {
  await stopWorker()
  const run = await s.start('pay-at-once')
  const backup = await postgres.backUp()
  await startWorker()
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
  await postgres.restore(backup)
  expect(await s.look(run)).toMatchObject({ writebacks: [], receipts: [] })
  await reset(s.world, run)
  const { message } = await unknownOf(run)
  expect(message).toMatch(/older than the run.*history says applied, with receipt 1, [0-9a-f]{12}…/)
})

test('a run that was reset, and ended before it came to its write, is not concluded from its last execution', async () => {
  const run = await paidBeforeRestore()
  await reset(s.world, run)
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('operator')
  await reconcile()
  await s.expectEnding(run, NOBODY_KNOWS)
  await startWorker()
})

/** The run has ended with its write applied, the ledger has it as planned, and no worker is there. */
async function paidBeforeRestore(): Promise<StartedRun> {
  const { admin } = s.world
  await admin.freezeConnection({ name: 'tools', reason: 'a test' })
  const run = await s.start('pay-at-once')
  await s.expectEnding(run, { writebacks: ['planned'] })
  const backup = await postgres.backUp()
  await admin.thawConnection({ name: 'tools' })
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
  await stopWorker()
  await postgres.restore(backup)
  await admin.thawConnection({ name: 'tools' })
  return run
}

async function unknownOf(run: StartedRun): Promise<{ message: string }> {
  await s.expectEnding(run, { state: 'waiting_for_resolution', ...NOBODY_KNOWS })
  const last = (await s.statements(run)).at(-1)
  return { message: String(last?.predicate['message']) }
}
