/**
 * A server that is slow to list its tools holds a payment back for as long as it likes. What an admin saves meanwhile counts:
 * the API has answered him, and nothing was claimed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { policyFor } from '../support/automations.ts'
import { answer, startLostClaims, type LostClaims } from '../support/lost-claims.ts'
import type { Scenario, StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const LIST_MS = 2_000

let bank: LostClaims
let s: Scenario

beforeAll(async () => {
  bank = await startLostClaims()
  s = bank.s
  bank.onCall = (response, id) => answer(response, { id, result: { content: [] } })
})
afterAll(() => bank?.close())

/** Its attempt waits for the list. */
async function startSlowly(): Promise<StartedRun> {
  bank.listsAfterMs = LIST_MS
  const run = await s.start('pay-at-once')
  const listed = s.server.methods.length
  await eventually(async () => s.server.methods.slice(listed).includes('tools/list'))
  // An admin's own listing is not held back.
  bank.listsAfterMs = 0
  return run
}

test('a payment that a policy denies before it is claimed is not made', async () => {
  const run = await startSlowly()
  await s.apply(policyFor('pay-at-once', { deny: true }))
  await s.expectEnding(run, { writebacks: ['refused'] })
  expect(bank.sent).toBe(0)
})
