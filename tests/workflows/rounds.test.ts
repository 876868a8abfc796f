/** A target that has changed since the write was planned: it is planned anew, and people are asked about what is now. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { CHANGE, NOTE, ONE_LEAD } from '../support/automations.ts'
import { about, refusal, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
/** How many requests for the list of tools the server still refuses. */
let refusals = 0

beforeAll(async () => {
  s = await startScenario({
    intercept: ({ method }, response) => {
      if (method !== 'tools/list' || refusals === 0) return false
      refusals--
      response.writeHead(422).end()
      return true
    },
  })
  await s.define('raced', [CHANGE], ONE_LEAD)
  const { update } = CHANGE['writeback'] as { update: object }
  const guarded = { connection: 'shop', update: { ...update, guard: { balance: 100 } } }
  await s.define('guarded', [{ name: 'change', writeback: guarded }], ONE_LEAD)
})

afterAll(() => s.close())

const setBalance = (run: StartedRun, balance: number) =>
  s.shop.query('update accounts set balance = $2 where id = $1', [run.account, balance])

/** The approval of the round after this one. */
async function nextRound(run: StartedRun, before: ApprovalView): Promise<ApprovalView> {
  return eventually(async () => {
    const { items } = await s.world.admin.listApprovals({ run_id: run.runId })
    return items.find(({ writeback_id: id }) => id !== before.writeback_id)
  })
}

const roundOf = ({ writeback_id: id }: ApprovalView) => id.split('.').at(-1)

test('is planned anew with a new digest and its new values, and nobody has voted yet', async () => {
  const run = await s.park('raced')
  await setBalance(run, 55)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const second = await nextRound(run, run.approval)
  expect(roundOf(run.approval)).toBe('1')
  expect(roundOf(second)).toBe('2')
  expect(second.digest).not.toBe(run.approval.digest)
  expect(second.votes).toEqual([])
  expect(second.preview.changes).toEqual([{ field: 'balance', before: 55, after: 7 }])
  expect(await s.look(run)).toMatchObject({ state: 'waiting_for_approval', balance: 55, changes: 1 })
  // A ticket of the first round is one about another write.
  expect(
    await refusal(
      s.max.decideApproval({ ...about(second), digest: run.approval.digest, verdict: 'approve' }),
    ),
  ).toBe('409 STALE_DIGEST')
  await s.lena.decideApproval({ ...about(second), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied', 'conflict'],
    receipts: [
      'approve by lena@acme.example',
      'outcome conflict',
      'approve by lena@acme.example',
      'outcome applied',
    ],
    balance: 7,
    changes: 2,
  })
})

test('that never stands still is given up after three rounds', async () => {
  const run = await s.park('raced')
  let approval: ApprovalView = run.approval
  for (let round = 1; round <= 3; round++) {
    expect(roundOf(approval)).toBe(String(round))
    await setBalance(run, 50 + round)
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    if (round < 3) approval = await nextRound(run, approval)
  }
  const ending = await s.expectEnding(run, {
    state: 'failed',
    code: 'WRITE_CONFLICT',
    writebacks: ['conflict', 'conflict', 'conflict'],
    approvals: ['approved', 'approved', 'approved'],
    balance: 53,
    changes: 3,
  })
  expect(ending.receipts.filter((text) => text === 'outcome conflict')).toHaveLength(3)
})

test('that no longer is as the automation says it must be ends the step at once', async () => {
  const run = await s.park('guarded')
  await setBalance(run, 55)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'failed',
    code: 'WRITE_CONFLICT',
    writebacks: ['conflict'],
    approvals: ['approved'],
    receipts: ['approve by lena@acme.example', 'outcome conflict'],
    balance: 55,
    changes: 1,
  })
})

test('that is as the automation says it must be, and changed elsewhere, is planned anew', async () => {
  const run = await s.park('guarded')
  await setBalance(run, 55)
  await setBalance(run, 100)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const second = await nextRound(run, run.approval)
  await s.max.decideApproval({ ...about(second), verdict: 'reject', comment: 'too late' })
  await s.expectEnding(run, {
    state: 'failed',
    code: 'REJECTED',
    writebacks: ['rejected', 'conflict'],
    changes: 2,
    balance: 100,
  })
})

test('a run that is cancelled in its second round withdraws that one', async () => {
  const run = await s.park('raced')
  await setBalance(run, 55)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await nextRound(run, run.approval)
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled', writebacks: ['withdrawn', 'conflict'], changes: 1 })
})

test('that a step is tried again after has as many rounds anew, with ids of their own in a loop', async () => {
  const step = { ...CHANGE, retry: { max_attempts: 2, backoff: '100ms' } }
  await s.define('persistent', [{ name: 'each', for_each: { items: '["a"]', steps: [step] } }], ONE_LEAD)
  const run = await s.park('persistent')
  let approval: ApprovalView = run.approval
  const ids = [approval.writeback_id]
  for (let round = 1; round <= 5; round++) {
    if (round < 5) await setBalance(run, 50 + round)
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    if (round === 5) break
    approval = await eventually(async () => {
      const { items } = await s.world.admin.listApprovals({ run_id: run.runId, state: 'waiting' })
      return items.find(({ writeback_id: id }) => !ids.includes(id))
    })
    ids.push(approval.writeback_id)
  }
  const base = run.approval.writeback_id.replace(/1$/, '')
  expect(base).toMatch(/\.each\.0\.change\.$/)
  expect(ids).toEqual([1, 2, 3, 4, 5].map((round) => `${base}${round}`))
  const ending = await s.expectEnding(run, { state: 'completed', balance: 7 })
  expect(ending.writebacks.sort()).toEqual(['applied', 'conflict', 'conflict', 'conflict', 'conflict'])
})

const retry = { max_attempts: 3, backoff: '100ms' }

test('a write that was not even planned keeps its identity when it is tried again', async () => {
  await s.define('plans-again', [{ ...NOTE, retry }], { allow: true })
  refusals = 1
  const run = await s.start('plans-again')
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], notes: 1 })
  expect(refusals).toBe(0)
  const [writeback] = (await s.world.admin.getRun({ run_id: run.runId })).writebacks
  expect(writeback?.writeback_id).toMatch(/[.]1$/)
})

test('an error of a tool that may have done something begins no further round', async () => {
  await s.define('half-done', [{ ...NOTE, retry }], { allow: true })
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no tool note')
  note.run = () => ({ content: [{ type: 'text', text: 'half done' }], isError: true })
  const run = await s.start('half-done')
  await s.expectEnding(run, { state: 'failed', code: 'TOOL_FAILED', writebacks: ['failed'], notes: 1 })
})
