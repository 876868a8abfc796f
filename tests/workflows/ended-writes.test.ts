/** What the ledger and the receipt say of a write that was planned and never sent: what has ended it, and not more. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writebackIdOf, writebackWorkflowId } from '../../schemas/names.ts'
import { CHANGE, needs, NOTE, ONE_LEAD } from '../support/automations.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const CANCELLED = 'the run was cancelled, or the time of the step was over'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('gated', [CHANGE], ONE_LEAD)
  await s.define('nobody', [CHANGE], needs([{ roles: ['astronaut'] }]))
  await s.define('lapsed', [CHANGE], needs([{ roles: ['lead'] }], { valid_for: '1ms' }))
  await s.define('free-note', [NOTE], { allow: true })
})

afterAll(() => s.close())

/** Of the one write of a run: its outcome in the ledger says the same as its receipt. */
async function saidOf(run: StartedRun): Promise<unknown> {
  const end = (await s.statements(run)).at(-1)?.predicate
  const { rows } = await s.world.database.query<{ outcome: object }>(
    'select outcome from writebacks where run_id = $1',
    [run.runId],
  )
  expect(rows).toHaveLength(1)
  const said = { status: end?.['status'], code: end?.['code'], message: end?.['message'] }
  expect(rows[0]?.outcome).toMatchObject(said)
  return said
}

const withdrawn = (message: string) => ({ status: 'withdrawn', code: 'WITHDRAWN', message })
const failed = (code: string) => withdrawn(`what asked for it has failed with ${code}, and it was never sent`)

test('that nobody may approve says so, and not that somebody has cancelled it', async () => {
  const run = await s.start('nobody')
  await s.expectEnding(run, { state: 'failed', code: 'NO_ELIGIBLE_APPROVER', writebacks: ['withdrawn'] })
  expect(await saidOf(run)).toEqual(failed('NO_ELIGIBLE_APPROVER'))
})

test('whose run is cancelled says so', async () => {
  const run = await s.park('gated')
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled', writebacks: ['withdrawn'] })
  expect(await saidOf(run)).toEqual(withdrawn(CANCELLED))
})

test('whose workflow is terminated says that its workflow has failed', async () => {
  const run = await s.park('gated')
  const writebackId = writebackIdOf({ runId: run.runId, path: 'change', round: 1 })
  const workflowId = writebackWorkflowId({ organization: 'acme', writebackId })
  await s.world.temporal.workflow.getHandle(workflowId).terminate('operator')
  await s.expectEnding(run, { state: 'failed', writebacks: ['withdrawn'] })
  expect(await saidOf(run)).toEqual(failed('STEP_FAILED'))
})

test('that was asked for too often says so', async () => {
  const run = await s.park('lapsed')
  const seen = new Set<string>()
  for (;;) {
    const approval = await eventually(async () => {
      const { state } = await s.look(run)
      const { items } = await s.world.admin.listApprovals({ run_id: run.runId })
      const next = items.find(({ approval_id: id }) => !seen.has(id))
      return next ?? (state === 'failed' ? 'over' : undefined)
    })
    if (approval === 'over') break
    seen.add(approval.approval_id)
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
  }
  await s.expectEnding(run, { state: 'failed', code: 'LIMIT_EXCEEDED', writebacks: ['withdrawn'] })
  expect(await saidOf(run)).toEqual(failed('LIMIT_EXCEEDED'))
})

test('whose tool has changed while it was held says so', async () => {
  const { admin } = s.world
  await admin.freezeConnection({ name: 'tools', reason: 'a test' })
  const run = await s.start('free-note')
  await s.expectEnding(run, { writebacks: ['planned'] })
  const noted = s.server.tools.find(({ name }) => name === 'note')
  if (noted) noted.description = 'Another tool'
  await admin.thawConnection({ name: 'tools' })
  await s.expectEnding(run, { state: 'failed', code: 'TOOL_CHANGED', writebacks: ['withdrawn'], notes: 0 })
  expect(await saidOf(run)).toEqual(failed('TOOL_CHANGED'))
})
