/**
 * What is left open by executions that nobody tidied up after is closed, once, and told truthfully; what is alive is left
 * alone. Rows are made older than they are, and the reconciler's clock is put forward, so that nobody waits.
 */
import { randomBytes } from 'node:crypto'
import { ScheduleOverlapPolicy, type Connection } from '@temporalio/client'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DoorDeps } from '../../activities/door.ts'
import { reconcile } from '../../activities/reconcile.ts'
import { signPlan } from '../../activities/signed-rows.ts'
import { ensureSchedules } from '../../api/schedules.ts'
import { createTemporalAccess } from '../../api/temporal.ts'
import type { WritebackRow } from '../../db/queries/writebacks.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { approvalWorkflowId, scheduleId, writebackWorkflowId } from '../../schemas/names.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { ReconcileReportSchema, type ReconcileReport } from '../../schemas/upkeep.ts'
import { CHANGE, NOTE, ONE_LEAD } from '../support/automations.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { reset as resetIn } from '../support/resets.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const START: ReconcileReport['next'] = { writeback: '', approval: '', alive: '' }
/** Later than anything that has just been closed has to settle. */
const LATER_MS = 60_000

let scenario: Scenario
let stopWorker: () => Promise<void>
const held: (() => void)[] = []

beforeAll(async () => {
  scenario = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      // Inspecting connections needs one; its secrets are read at each use.
      stopWorker = await startWorkerHere(world, { database: world.database, secrets })
    },
    intercept: (message) => {
      if (message.method !== 'tools/call') return false
      held.push(() => undefined)
      return true
    },
  })
  Object.assign(secrets, scenario.secrets)
  await scenario.define('park', [CHANGE], ONE_LEAD)
  await scenario.define('send', [NOTE], { allow: true })
})
const secrets: Record<string, string> = {}
afterAll(async () => {
  const { temporal, taskQueue } = scenario.world
  for (const kind of ['reconcile', 'retention'] as const)
    await temporal.schedule.getHandle(scheduleId(kind, taskQueue)).delete()
  await stopWorker()
  await scenario.close()
})

async function startWorker(reconciler: 'on' | 'off' = 'on'): Promise<void> {
  const { world } = scenario
  stopWorker = await startWorkerHere(world, { database: world.database, secrets, reconciler })
}

function deps() {
  const { world } = scenario
  const door: DoorDeps = {
    database: world.database,
    // Nothing is sent: no executor is asked.
    executors: undefined as never,
    trust: { keys: loadTrustedKeys(publicKeysFile(world.keysFolder)), identity: 'verified' },
    signingKey: loadSigningKey(world.keysFolder, 'receipt'),
    nowMs: () => Date.now() + LATER_MS,
    warn: () => undefined,
  }
  return { door, client: world.temporal, scheduledAtMs: Date.now() }
}

/** As if a worker had planned its writes under another id of the run. */
async function moveTo(runWorkflowId: string, { runId }: StartedRun): Promise<void> {
  const { door } = deps()
  const { rows } = await door.database.query<{ row: WritebackRow }>(
    'select to_jsonb(w) as row from writebacks w where run_id = $1',
    [runId],
  )
  for (const { row } of rows) {
    const { writeback_id: writebackId, idempotency_key: idempotencyKey, ...rest } = row
    const { automation, revision, path } = row
    const origin = { writebackId, runId, automation, revision, path, deliveryId: row.delivery_id }
    const signed = signPlan(door, { ...rest, origin, runWorkflowId, idempotencyKey })
    await door.database.query(
      'update writebacks set run_workflow_id = $2, signed_plan = $3 where writeback_id = $1',
      [writebackId, runWorkflowId, JSON.stringify(signed)],
    )
  }
}

async function makeOld({ runId }: StartedRun): Promise<void> {
  const { database } = scenario.world
  await database.query(
    `update writebacks set updated_at = updated_at - interval '1 hour', deadline_at = deadline_at - interval '1 hour'
     where run_id = $1`,
    [runId],
  )
  await database.query(`update approvals set created_at = created_at - interval '1 hour' where run_id = $1`, [
    runId,
  ])
}

function executionsOf(run: StartedRun, { approval_id, writeback_id }: ApprovalView): string[] {
  const organization = 'acme'
  return [
    approvalWorkflowId({ organization, approvalId: approval_id }),
    writebackWorkflowId({ organization, writebackId: writeback_id }),
    run.workflowId,
  ]
}

async function terminateAll(workflowIds: string[]): Promise<void> {
  for (const id of workflowIds) await scenario.world.temporal.workflow.getHandle(id).terminate('operator')
}

/** Executions are over, and no worker has tidied up after them. */
async function abandoned() {
  const run = await scenario.park('park')
  await stopWorker()
  await terminateAll(executionsOf(run, run.approval))
  return run
}

describe('the reconciler', () => {
  it('leaves a write that waits for people alone, however old it is', async () => {
    const run = await scenario.park('park')
    await makeOld(run)
    const report = await reconcile(deps(), START)
    expect(report).toMatchObject({ withdrawn: 0, unknown: 0, approvals: 0, failed: 0 })
    expect(report.looked).toBeGreaterThanOrEqual(2)
    expect(await scenario.look(run)).toMatchObject({ writebacks: ['planned'], approvals: ['waiting'] })
    await scenario.world.temporal.workflow.getHandle(run.workflowId).cancel()
    await scenario.expectEnding(run, { writebacks: ['withdrawn'] })
  })

  it('withdraws a planned write whose executions were terminated, once, also when two do it at once', async () => {
    const run = await abandoned()
    try {
      expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0 })
      await makeOld(run)
      // By its own clock it was closed just now: it may be about to be reset.
      const now = deps()
      now.door.nowMs = Date.now
      expect(await reconcile(now, START)).toMatchObject({ withdrawn: 0, approvals: 0 })
      await Promise.all([reconcile(deps(), START), reconcile(deps(), START), reconcile(deps(), START)])
      expect(await scenario.look(run)).toMatchObject({
        writebacks: ['withdrawn'],
        approvals: ['withdrawn'],
        receipts: ['outcome withdrawn'],
        changes: 0,
      })
      expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0, approvals: 0 })
    } finally {
      await startWorker()
    }
  })

  it('takes an execution that was reset for alive', async () => {
    const run = await abandoned()
    try {
      const { temporal } = scenario.world
      await makeOld(run)
      const handle = temporal.workflow.getHandle(run.workflowId)
      const [{ runId }, { events }] = [await handle.describe(), await handle.fetchHistory()]
      // Started, task scheduled, task started, task completed.
      const taskCompleted = events?.[3]?.eventId
      if (!taskCompleted) throw new Error('no workflow task has completed yet')
      await temporal.workflowService.resetWorkflowExecution({
        namespace: 'default',
        workflowExecution: { workflowId: run.workflowId, runId },
        workflowTaskFinishEventId: taskCompleted,
        requestId: randomBytes(8).toString('hex'),
        reason: 'test',
      })
      expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0 })
      expect(await scenario.look(run)).toMatchObject({ writebacks: ['planned'] })
      await handle.terminate()
      expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 1 })
    } finally {
      await startWorker()
    }
  })

  it('ends a write that a run has left behind, which was reset and terminated before it found it again', async () => {
    const run = await scenario.park('park')
    await stopWorker()
    try {
      await resetIn(scenario.world, run)
      await scenario.world.temporal.workflow.getHandle(run.workflowId).terminate('operator')
    } finally {
      await startWorker()
    }
    expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0 })
    expect(await scenario.look(run)).toMatchObject({ writebacks: ['planned'], approvals: ['waiting'] })
    await makeOld(run)
    expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0, failed: 0 })
    await scenario.expectEnding(run, {
      state: 'terminated',
      writebacks: ['withdrawn'],
      approvals: ['withdrawn'],
      receipts: ['outcome withdrawn'],
      changes: 0,
    })
  })

  it('says of a write that was sent, and whose answer nobody waits for any more, that nobody knows', async () => {
    const run = await scenario.start('send')
    await eventually(async () => held.length > 0)
    await scenario.world.temporal.workflow.getHandle(run.workflowId).terminate()
    await stopWorker()
    try {
      expect(await scenario.look(run)).toMatchObject({ writebacks: ['sending'] })
      // Until its deadline is long over it belongs to the attempt that has sent.
      expect(await reconcile(deps(), START)).toMatchObject({ unknown: 0 })
      await makeOld(run)
      expect(await reconcile(deps(), START)).toMatchObject({ unknown: 1 })
      expect(await scenario.look(run)).toMatchObject({
        writebacks: ['unknown'],
        receipts: ['outcome unknown'],
      })
      expect(await reconcile(deps(), START)).toMatchObject({ unknown: 0 })
    } finally {
      await startWorker()
    }
  })

  it('believes that an execution is gone only of a namespace that knows our runs', async () => {
    const run = await abandoned()
    try {
      const { world } = scenario
      await makeOld(run)
      await world.database.query(
        `update deliveries set received_at = received_at - interval '1 day' where runs @> $1`,
        [JSON.stringify([{ runId: run.runId }])],
      )
      const { rows } = await world.database.query<{ id: string }>(
        `update deliveries set runs = jsonb_set(runs, '{0,workflowId}', to_jsonb('elsewhere/' || id))
         where received_at > now() - interval '12 hours' returning id`,
      )
      expect(rows.length).toBeGreaterThan(0)
      await moveTo('gone', run)
      await world.database.query(`update approvals set workflow_id = 'gone' where run_id = $1`, [run.runId])
      expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0, approvals: 0, doubted: 2 })
      await scenario.start('park')
      // Nobody is left who could say that it was never sent.
      expect(await reconcile(deps(), START)).toMatchObject({ withdrawn: 0, unknown: 1 })
      const unknown = { writebacks: ['unknown'], receipts: ['outcome unknown'] }
      expect(await scenario.look(run).catch(() => null)).toMatchObject(unknown)
    } finally {
      await startWorker()
    }
  })
})

describe('the Schedules', () => {
  function access() {
    const { world } = scenario
    const { connection } = world.temporal
    return createTemporalAccess({
      client: world.temporal,
      connection: connection as Connection,
      namespace: 'default',
      taskQueue: world.taskQueue,
      uiUrl: '',
      logger: pino({ level: 'silent' }),
    })
  }

  it('are made by whoever comes first, and left as an operator has left them', async () => {
    const { temporal, taskQueue } = scenario.world
    await Promise.all([ensureSchedules(access()), ensureSchedules(access()), ensureSchedules(access())])
    const reconciler = temporal.schedule.getHandle(scheduleId('reconcile', taskQueue))
    await reconciler.pause('maintenance')
    await ensureSchedules(access())
    expect((await reconciler.describe()).state).toMatchObject({ paused: true, note: 'maintenance' })
    await reconciler.unpause()
    const night = await temporal.schedule.getHandle(scheduleId('retention', taskQueue)).describe()
    expect(night.info.nextActionTimes[0]?.getUTCHours()).toBe(3)
  })

  it('start a pass that goes on where the last one ended, and reports', async () => {
    const { temporal, taskQueue } = scenario.world
    const run = await scenario.park('park')
    await makeOld(run)
    const reconciler = temporal.schedule.getHandle(scheduleId('reconcile', taskQueue))
    const passes = async (count: number) =>
      eventually(async () => {
        const { recentActions } = (await reconciler.describe()).info
        return recentActions.length >= count && recentActions
      })
    const before = (await reconciler.describe()).info.recentActions.length
    await reconciler.trigger(ScheduleOverlapPolicy.SKIP)
    const first = (await passes(before + 1)).at(-1)
    if (!first) throw new Error('nothing was started')
    const handle = (action: typeof first) => temporal.workflow.getHandle(action.action.workflow.workflowId)
    const report = ReconcileReportSchema.parse(await handle(first).result())
    expect(report.looked).toBeGreaterThan(0)
    expect(report.failed).toBe(0)
    expect(Math.abs(report.clock.database_ahead_ms)).toBeLessThan(5_000)
    expect(await scenario.look(run)).toMatchObject({ writebacks: ['planned'] })
    await eventually(async () => (await reconciler.describe()).raw.info?.runningWorkflows?.length === 0)
    await reconciler.trigger(ScheduleOverlapPolicy.SKIP)
    const second = (await passes(before + 2)).at(-1)
    if (!second) throw new Error('nothing was started')
    await handle(second).result()
    const { events } = await handle(second).fetchHistory()
    const started = events?.[0]?.workflowExecutionStartedEventAttributes
    const handed = started?.lastCompletionResult?.payloads?.[0]?.data
    expect(JSON.parse(Buffer.from(handed ?? []).toString())).toEqual(report)
    expect(events).toHaveLength(11)
  })

  it('start passes that a worker without the reconciler refuses: nothing is concluded', async () => {
    const { temporal, taskQueue } = scenario.world
    await ensureSchedules(access())
    const run = await abandoned()
    await makeOld(run)
    await startWorker('off')
    const reconciler = temporal.schedule.getHandle(scheduleId('reconcile', taskQueue))
    const known = new Set((await reconciler.describe()).info.recentActions.map(idOf))
    // Beside one that the Schedule may have started by itself this moment.
    await reconciler.trigger(ScheduleOverlapPolicy.ALLOW_ALL)
    const started = await eventually(async () => {
      const { recentActions } = (await reconciler.describe()).info
      return recentActions.find((action) => !known.has(idOf(action)))
    })
    const { workflowId, firstExecutionRunId } = started.action.workflow
    const failed = await temporal.workflow
      .getHandle(workflowId, firstExecutionRunId)
      .result()
      .catch((error: unknown) => error)
    expect(failed).toMatchObject({ cause: { cause: { type: 'RECONCILER_OFF' } } })
    expect(await scenario.look(run)).toMatchObject({ writebacks: ['planned'], approvals: ['waiting'] })
  })
})

function idOf({
  action,
}: {
  action: { workflow: { workflowId: string; firstExecutionRunId: string } }
}): string {
  return action.workflow.firstExecutionRunId
}
