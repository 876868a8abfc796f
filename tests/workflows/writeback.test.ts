/** What becomes of a write whose circumstances change while people look at it. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE, connections, LOOK, needs, NOTE, ONE_LEAD, policyFor, SHOP } from '../support/automations.ts'
import { about, refusal, startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const TWO_LEADS = needs([{ roles: ['lead'], quorum: 2 }])

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
})

afterAll(() => s.close())

test('a policy that asks for more people meanwhile asks again and keeps the vote', async () => {
  await s.define('tightened', [CHANGE], ONE_LEAD)
  const run = await s.park('tightened')
  await s.apply(policyFor('tightened', TWO_LEADS))
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const again = await eventually(async () => {
    const waiting = await s.approvalOf(run)
    return waiting.votes.length === 1 ? waiting : undefined
  })
  expect(again.approval_id).toBe(`${run.approval.approval_id}/ask2`)
  expect(again.votes[0]?.principal).toBe('lena@acme.example')
  expect((await s.look(run)).changes).toBe(0)
  expect(await refusal(s.lena.decideApproval({ ...about(again), verdict: 'approve' }))).toBe(
    '409 ALREADY_VOTED',
  )
  await s.max.decideApproval({ ...about(again), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    approvals: ['approved', 'approved'],
    receipts: ['approve by lena@acme.example', 'approve by max@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('a policy that denies meanwhile refuses the write, however many have approved', async () => {
  await s.define('denied', [CHANGE], ONE_LEAD)
  const run = await s.park('denied')
  await s.apply(policyFor('denied', { deny: true }))
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'failed',
    code: 'POLICY_DENIED',
    writebacks: ['refused'],
    approvals: ['approved'],
    receipts: ['approve by lena@acme.example', 'outcome refused'],
    changes: 0,
  })
})

test('a write that policy denies is never put before people', async () => {
  await s.define('shut', [NOTE], { deny: true })
  const run = await s.start('shut')
  await s.expectEnding(run, {
    state: 'failed',
    code: 'POLICY_DENIED',
    writebacks: ['refused'],
    approvals: [],
    receipts: ['outcome refused'],
    notes: 0,
  })
})

test('somebody who has lost the role after voting does not count any more, and the same approval waits on', async () => {
  await s.define('lost-role', [CHANGE], TWO_LEADS)
  const nora = await s.world.as('nora@acme.example', ['lead'])
  const run = await s.park('lost-role')
  await nora.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.world.as('nora@acme.example', [])
  const answer = await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  expect(answer).toMatchObject({ state: 'waiting', message: 'recorded; 1 more needed' })
  const waiting = await s.approvalOf(run)
  expect(waiting.approval_id).toBe(run.approval.approval_id)
  expect((await s.look(run)).changes).toBe(0)
  await s.max.decideApproval({ ...about(waiting), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', approvals: ['approved'], changes: 1 })
})

test('a row that is gone meanwhile is not written either', async () => {
  await s.define('gone', [CHANGE], ONE_LEAD)
  const run = await s.park('gone')
  await s.shop.query('delete from accounts where id = $1', [run.account])
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, { state: 'failed', code: 'WRITE_CONFLICT', writebacks: ['conflict'] })
})

test('a row that the database refuses to write ends as failed, with its reason', async () => {
  await s.shop.query('alter table accounts add constraint enough check (balance > -1000000)')
  await s.define('refused', [CHANGE], ONE_LEAD)
  const run = await s.park('refused', { balance: -1_000_000 })
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const ending = await s.expectEnding(run, {
    state: 'failed',
    code: 'WRITE_FAILED',
    writebacks: ['failed'],
    receipts: ['approve by lena@acme.example', 'outcome failed'],
    changes: 0,
  })
  expect(ending.message).toContain('23514')
})

test('a value that does not fit its column ends the step before anybody is asked', async () => {
  await s.define('unfit', [CHANGE], ONE_LEAD)
  const run = await s.start('unfit', { balance: 2_147_483_648 })
  const ended = { state: 'failed', code: 'INVALID_ARGUMENTS', writebacks: [], approvals: [] }
  expect((await s.expectEnding(run, ended)).message).toContain('out of range')
})

test('a write that policy allows is sent once, with a receipt', async () => {
  await s.define('free', [LOOK, NOTE, CHANGE], { allow: true })
  const run = await s.start('free')
  await s.expectEnding(run, {
    state: 'completed',
    result: { balance: '7' },
    writebacks: ['applied', 'applied'],
    approvals: [],
    receipts: ['outcome applied', 'outcome applied'],
    changes: 1,
    notes: 1,
  })
})

test('a tool whose definition has changed since the automation was saved is not called', async () => {
  await s.define('pinned', [NOTE], ONE_LEAD)
  const run = await s.park('pinned')
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no tool note')
  note.description = 'Something else now'
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const ending = await s.expectEnding(run, { state: 'failed', code: 'TOOL_CHANGED', notes: 0 })
  expect(ending.writebacks).toEqual(['withdrawn'])
  delete note.description
})

test('a connection that leads elsewhere meanwhile makes the approval worthless', async () => {
  await s.define('moved', [CHANGE], ONE_LEAD)
  const run = await s.park('moved')
  const shop = connections({ toolsUrl: 'http://127.0.0.1:1' }).find(({ name }) => name === SHOP) as {
    spec: { scope: object }
  }
  await s.apply({ ...shop, spec: { ...shop.spec, scope: { column: 'tenant', value: 'globex' } } } as never)
  try {
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, {
      state: 'failed',
      // Planned anew there is no such row for that tenant, so nobody is asked anew.
      code: 'CONNECTION_CHANGED',
      writebacks: ['conflict'],
      approvals: ['approved'],
      receipts: ['approve by lena@acme.example', 'outcome conflict'],
      changes: 0,
    })
  } finally {
    await s.apply(shop as never)
  }
})
