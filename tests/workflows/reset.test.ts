/** Reset, a button in the Temporal UI: a run that is played again meets what it has left behind, and adds nothing. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE, needs, NOTE, ONE_LEAD } from '../support/automations.ts'
import { reset as resetIn, untilAttached as untilAttachedIn } from '../support/resets.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('change', [CHANGE], ONE_LEAD)
  await s.define('gated-note', [NOTE], ONE_LEAD)
  await s.define('free-note', [NOTE], { allow: true })
  await s.define('nobody', [CHANGE], needs([{ roles: ['astronaut'] }]))
})

afterAll(() => s.close())

const reset = (run: StartedRun, to?: 'first' | 'last') => resetIn(s.world, run, to)
const untilAttached = (run: StartedRun) => untilAttachedIn(s.world, run)

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

test('a run that is reset again and again finds its approval each time', async () => {
  const run = await s.park('change')
  for (let round = 0; round < 3; round++) {
    await reset(run)
    await untilAttached(run)
  }
  // Longer than it takes until an attempt hears that its run was reset.
  await new Promise((resolve) => setTimeout(resolve, 6_000))
  expect(await s.look(run)).toMatchObject({ state: 'waiting_for_approval', receipts: [] })
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('terminating a run that was reset withdraws the write that it found again', async () => {
  const run = await s.park('change')
  await reset(run)
  await untilAttached(run)
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('a test')
  await s.expectEnding(run, {
    state: 'terminated',
    writebacks: ['withdrawn'],
    approvals: ['withdrawn'],
    receipts: ['outcome withdrawn'],
    changes: 0,
  })
})

test.each(['change', 'gated-note'])(
  'a run of %s that is reset to where it waits can be cancelled',
  async (name) => {
    const run = await s.park(name)
    await resetIn(s.world, run, 'last')
    await s.clerk.cancelRun({ run_id: run.runId })
    await s.expectEnding(run, {
      state: 'cancelled',
      writebacks: ['withdrawn'],
      approvals: ['withdrawn'],
      receipts: ['outcome withdrawn'],
      changes: 0,
      notes: 0,
    })
  },
)

test.each(['change', 'gated-note'])(
  'cancelling a run of %s before it has found its write again leaves nothing that waits',
  async (name) => {
    const run = await s.park(name)
    await reset(run)
    await s.clerk.cancelRun({ run_id: run.runId })
    await s.expectEnding(run, {
      state: 'cancelled',
      writebacks: ['withdrawn'],
      receipts: ['outcome withdrawn'],
    })
    await eventually(async () => {
      const { status } = await s.world.temporal.workflow
        .getHandle(run.approval.temporal_workflow_id)
        .describe()
      return status.name !== 'RUNNING'
    })
  },
)

test('an approval that opens when its write is over does not come into the inbox', async () => {
  const run = await s.park('change')
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled', writebacks: ['withdrawn'] })
  const { database } = s.world
  await database.query('delete from approvals where approval_id = $1', [run.approval.approval_id])
  await resetIn(s.world, { workflowId: run.approval.temporal_workflow_id })
  const opened = s.world.temporal.workflow.getHandle(run.approval.temporal_workflow_id).result()
  await expect(opened).rejects.toThrow()
  expect(await s.look(run)).toMatchObject({ approvals: [], writebacks: ['withdrawn'], changes: 0 })
})

test('a terminated run that is reset behind the end of its child ends as that has ended', async () => {
  const run = await s.park('change')
  const handle = s.world.temporal.workflow.getHandle(run.workflowId)
  await handle.terminate('by an operator')
  await eventually(async () => (await s.look(run)).writebacks[0] === 'withdrawn')
  await reset(run, 'last')
  await s.expectEnding(run, { state: 'failed', code: 'WITHDRAWN', writebacks: ['withdrawn'], changes: 0 })
})
