/** Reset, a button in the Temporal UI: a run that is played again meets what it has left behind, and adds nothing. */
import { randomUUID } from 'node:crypto'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE, needs, NOTE, ONE_LEAD } from '../support/automations.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const COMPLETED = temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('change', [CHANGE], ONE_LEAD)
  await s.define('gated-note', [NOTE], ONE_LEAD)
  await s.define('free-note', [NOTE], { allow: true })
  await s.define('nobody', [CHANGE], needs([{ roles: ['astronaut'] }]))
})

afterAll(() => s.close())

/** To its first workflow task: everything is played again. */
async function reset({ workflowId }: StartedRun): Promise<void> {
  const handle = s.world.temporal.workflow.getHandle(workflowId)
  const [{ runId }, { events }] = [await handle.describe(), await handle.fetchHistory()]
  const first = events?.find(({ eventType }) => eventType === COMPLETED)
  if (!first?.eventId) throw new Error('no workflow task has completed yet')
  await s.world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId, runId },
    reason: 'a test',
    workflowTaskFinishEventId: first.eventId,
    requestId: randomUUID(),
  })
}

/** Until the new execution waits for its child again. */
async function untilAttached({ workflowId }: StartedRun): Promise<void> {
  await eventually(async () => {
    const { raw } = await s.world.temporal.workflow.getHandle(workflowId).describe()
    return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'awaitWorkflow')
  })
}

for (const [automation, effect] of [
  ['change', { changes: 1 }],
  ['gated-note', { notes: 1 }],
] as const) {
  test(`a parked run of ${automation} that is reset finds its approval again`, async () => {
    const run = await s.park(automation)
    await reset(run)
    await untilAttached(run)
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, {
      state: 'completed',
      writebacks: ['applied'],
      approvals: ['approved'],
      receipts: ['approve by lena@acme.example', 'outcome applied'],
      ...effect,
    })
  })

  test(`a run of ${automation} that is reset after its end ends the same, with the one effect`, async () => {
    const run = await s.park(automation)
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    const before = await s.expectEnding(run, { state: 'completed', ...effect })
    await reset(run)
    expect(await s.expectEnding(run, { state: 'completed' })).toEqual(before)
  })
}

test('an ungated write is not sent again by a reset', async () => {
  const run = await s.start('free-note')
  const before = await s.expectEnding(run, { state: 'completed', notes: 1 })
  await reset(run)
  expect(await s.expectEnding(run, { state: 'completed' })).toEqual(before)
})

test('a run that was rejected is rejected again', async () => {
  const run = await s.park('change')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'reject', comment: 'no' })
  const before = await s.expectEnding(run, { state: 'failed', code: 'REJECTED' })
  await reset(run)
  expect(await s.expectEnding(run, { state: 'failed' })).toEqual(before)
})

test('a run whose writeback has failed fails again with the same code', async () => {
  const run = await s.start('nobody')
  await s.expectEnding(run, { state: 'failed', code: 'NO_ELIGIBLE_APPROVER' })
  await reset(run)
  await s.expectEnding(run, {
    state: 'failed',
    code: 'NO_ELIGIBLE_APPROVER',
    writebacks: ['withdrawn'],
    receipts: ['outcome withdrawn'],
  })
})

test('cancelling a run that was reset withdraws the write that it found again', async () => {
  const run = await s.park('change')
  await reset(run)
  await untilAttached(run)
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, {
    state: 'cancelled',
    writebacks: ['withdrawn'],
    approvals: ['withdrawn'],
    receipts: ['outcome withdrawn'],
    changes: 0,
  })
})
