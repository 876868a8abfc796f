/**
 * He has the address of the database that a worker has, and says of a write under way that it is planned. What Temporal was
 * told of it is not erased by what it is told later: the server was slow, so that the attempt has beaten before its claim.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { answer, startLostClaims, type LostClaims } from '../support/lost-claims.ts'
import type { Scenario, StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Longer than between two ordinary heartbeats. */
const SLOW_MS = 1_400

let bank: LostClaims
let s: Scenario

beforeAll(async () => {
  bank = await startLostClaims()
  s = bank.s
})
afterAll(() => bank?.close())
beforeEach(() => {
  bank.beginAnew()
  bank.listsAfterMs = SLOW_MS
})

/** The attempt has failed, the next one is not due yet, and the row says that there was none. */
async function calledPlanned(run: StartedRun): Promise<void> {
  await eventually(async () => {
    const { raw } = await s.world.temporal.workflow.getHandle(run.workflowId).describe()
    return bank.sent > 0 && raw.pendingActivities?.some(({ lastFailure }) => lastFailure)
  })
  await bank.forget(run)
}

test('a write under way that is called planned is not sent again', async () => {
  const run = await s.start('pay-at-once')
  await calledPlanned(run)
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect(bank.sent).toBe(1)
})

test('what the server has said of it is told, and it is not sent again', async () => {
  bank.onCall = (response, id) =>
    setTimeout(() => answer(response, { id, error: { code: -32603, message: 'the bank said no' } }), SLOW_MS)
  const run = await s.start('pay-at-once')
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect((await s.statements(run)).at(-1)?.predicate['message']).toContain('the bank said no')
  expect(bank.sent).toBe(1)
})

test('of one that is cancelled then, no receipt says that it was never sent', async () => {
  const run = await s.start('pay-at-once')
  await calledPlanned(run)
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect(bank.sent).toBe(1)
})

test('one whose worker stops during the call is not sent again by the next worker', async () => {
  bank.onCall = () => undefined
  const run = await s.start('pay-at-once')
  await eventually(async () => bank.sent > 0)
  await bank.stopWorker()
  await calledPlanned(run)
  await bank.startWorker()
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  expect(bank.sent).toBe(1)
})
