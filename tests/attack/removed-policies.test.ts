/** An admin removes a policy: what other policies allow is written as before, and what it alone has allowed is not. */
import { afterAll, beforeAll, test } from 'vitest'
import { CHANGE, NOTE, ONE_LEAD } from '../support/automations.ts'
import { about, startScenario, type Scenario } from '../support/scenario.ts'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('pay-at-once', [NOTE], { allow: true })
  await s.define('change', [CHANGE], ONE_LEAD)
  await s.define('other', [NOTE], { allow: true })
  await s.world.admin.removeManifest({ kind: 'Policy', name: 'other' })
})
afterAll(() => s?.close())

test('a write that another policy allows is made after a policy was removed', async () => {
  await s.expectEnding(await s.start('pay-at-once'), { state: 'completed', writebacks: ['applied'] })
})

test('a write that was approved is made after a policy was removed', async () => {
  const run = await s.park('change')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], changes: 1 })
})

test('a write that only the removed policy has allowed is not made', async () => {
  const run = await s.start('other')
  await s.expectEnding(run, { state: 'failed', code: 'NO_ELIGIBLE_APPROVER', notes: 0 })
})
