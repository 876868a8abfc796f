/**
 * The attacker can write to our database, and opens again what has ended, so that a Reset of the run sends it once more.
 * The receipt of its end is still there.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startForeignWorker, codeOf, type ForeignWorker } from '../support/attack-world.ts'
import { NOTE, ONE_LEAD } from '../support/automations.ts'
import { reset } from '../support/resets.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'

let s: Scenario
let foreign: ForeignWorker

beforeAll(async () => {
  s = await startScenario()
  foreign = await startForeignWorker(s.world)
  await s.define('pay', [NOTE], ONE_LEAD)
})

afterAll(async () => {
  await foreign.close()
  await s.close()
})

async function paid(): Promise<StartedRun & { writebackId: string }> {
  const run = await s.park('pay')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
  return { ...run, writebackId: run.approval.writeback_id }
}

describe('a write that has ended, and whose row says again that it', () => {
  test.each([
    ['waits', `state = 'planned', outcome = null`],
    ['was sent, long ago', `state = 'sending', outcome = null, deadline_at = now() - interval '1 hour'`],
  ])('%s is not sent again by a run that is reset', async (_what, change) => {
    const run = await paid()
    const writebackWorkflow = { workflowId: `writeback/acme/${run.writebackId}` }
    await s.world.database.query(`update writebacks set ${change} where writeback_id = $1`, [run.writebackId])
    await reset(s.world, writebackWorkflow)
    await s.world.temporal.workflow
      .getHandle(writebackWorkflow.workflowId)
      .result()
      .catch(() => undefined)
    const ending = await s.look(run)
    expect(ending.notes).toBe(1)
    expect(ending.receipts).toEqual(['approve by lena@acme.example', 'outcome applied'])
    const end = { organization: 'acme', writebackId: run.writebackId, because: 'withdrawn' }
    expect(await codeOf(foreign.callActivity('abandonWriteback', end))).toBe(
      change.includes('planned') ? 'OUTCOME_NOT_PROVEN' : 'nothing was refused',
    )
    expect((await s.look(run)).receipts).toHaveLength(2)
  })
})
