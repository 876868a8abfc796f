/** Who may decide, how many are needed, and what is left of a run when they have decided. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHANGE, NOTE, needs, ONE_LEAD, policyFor } from '../support/automations.ts'
import { about, refusal, startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('one', [CHANGE], ONE_LEAD)
  await s.define('two-leads', [CHANGE], needs([{ roles: ['lead'], quorum: 2 }]))
  await s.define('two-stages', [CHANGE], needs([{ roles: ['lead'] }, { roles: ['finance'] }]))
  await s.define('short', [CHANGE], needs([{ roles: ['lead'] }], { expires_after: '2s' }))
})

afterAll(() => s.close())

test('one approval applies the write once, and both leave a receipt', async () => {
  const run = await s.park('one')
  const answer = await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve', comment: 'fine' })
  expect(answer.state).toBe('approved')
  await s.expectEnding(run, {
    state: 'completed',
    result: { balance: '7' },
    writebacks: ['applied'],
    approvals: ['approved'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    balance: 7,
    changes: 1,
  })
  const [decision, outcome] = await s.statements(run)
  expect(decision?.predicate).toMatchObject({ comment: 'fine', method: 'api_key', channel: 'api' })
  expect(outcome?.predicate).toMatchObject({
    status: 'applied',
    decisions: [answer.decision_id],
    rule: 'one/writes',
  })
})

test('a tool call that policy gates waits and is called once, with its key and what was approved', async () => {
  await s.define('gated-tool', [NOTE], ONE_LEAD)
  const run = await s.park('gated-tool')
  expect(s.notes(run)).toEqual([])
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    result: { noted: run.account },
    writebacks: ['applied'],
    receipts: ['approve by lena@acme.example', 'outcome applied'],
    notes: 1,
  })
  const meta = s.notes(run)[0]?.meta
  expect(meta?.['countersign/idempotencyKey']).toMatch(/^csk_[0-9a-f]{40}$/)
  expect(meta?.['countersign/digest']).toBe(run.approval.digest)
})

test('a decision that can no longer be recorded is refused, and the wait goes on', async () => {
  const run = await s.park('one')
  const { database, temporal } = s.world
  const { approval_id: approvalId, temporal_workflow_id: workflowId } = run.approval
  const ticket = await s.lena.createTicket({ ...about(run.approval), verdict: 'approve' })
  const show = (digest: string) =>
    database.query('update approvals set digest = $2 where approval_id = $1', [approvalId, digest])
  await show('f'.repeat(64))
  const handle = temporal.workflow.getHandle(workflowId)
  await handle.signal(ticket.signal, ticket.input)
  await eventually(async () => {
    const { status, refusals } = await handle.query<{ status: string; refusals: { code: string }[] }>(
      'getApproval',
    )
    return status === 'waiting' && refusals.some(({ code }) => code === 'STALE_DIGEST')
  })
  await show(run.approval.digest)
  await s.max.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    receipts: ['approve by max@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('a quorum of two needs two people, and the same person twice is not two', async () => {
  const run = await s.park('two-leads')
  const first = await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  expect(first).toMatchObject({ state: 'waiting', message: 'recorded; 1 more needed' })
  expect(await refusal(s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' }))).toBe(
    '409 ALREADY_VOTED',
  )
  expect(await s.look(run)).toMatchObject({
    state: 'waiting_for_approval',
    writebacks: ['planned'],
    changes: 0,
  })
  await s.max.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await s.expectEnding(run, {
    state: 'completed',
    writebacks: ['applied'],
    approvals: ['approved'],
    receipts: ['approve by lena@acme.example', 'approve by max@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('two stages need both, one after the other, and one person with both roles fills only one', async () => {
  const both = await s.world.as('bea@acme.example', ['lead', 'finance'])
  const finance = await s.world.as('finn@acme.example', ['finance'])
  const run = await s.park('two-stages')
  const first = { stage: 1, stages: 2, missing: 1, roles: ['lead'], people: [] }
  expect(run.approval.waits_for).toEqual(first)
  expect(await refusal(finance.decideApproval({ ...about(run.approval), verdict: 'approve' }))).toBe(
    '409 NOT_THEIR_TURN',
  )
  expect(await both.decideApproval({ ...about(run.approval), verdict: 'approve' })).toMatchObject({
    state: 'waiting',
  })
  expect((await s.approvalOf(run)).waits_for).toEqual({ ...first, stage: 2, roles: ['finance'] })
  expect(await finance.decideApproval({ ...about(run.approval), verdict: 'approve' })).toMatchObject({
    state: 'approved',
  })
  await s.expectEnding(run, {
    state: 'completed',
    receipts: ['approve by bea@acme.example', 'approve by finn@acme.example', 'outcome applied'],
    changes: 1,
  })
})

test('whoever started a run, and whoever it was started for, may not approve its write', async () => {
  const starter = await s.world.as('stan@acme.example', ['lead'])
  const run = await s.park('one', { by: starter, onBehalfOf: ['max@acme.example'] })
  const decision = { ...about(run.approval), verdict: 'approve' as const }
  expect(await refusal(starter.decideApproval(decision))).toBe('409 SELF_APPROVAL')
  expect(await refusal(s.max.decideApproval(decision))).toBe('409 SELF_APPROVAL')
  expect((await s.look(run)).receipts).toEqual([])
  await s.lena.decideApproval(decision)
  await s.expectEnding(run, {
    state: 'completed',
    receipts: ['approve by lena@acme.example', 'outcome applied'],
  })
})

test('a wrong role, a service and an agent may not approve, whatever their roles', async () => {
  const run = await s.park('one')
  const others = [
    await s.world.as('fred@acme.example', ['finance']),
    await s.world.as('service-1', ['lead'], 'service'),
    await s.world.as('agent-1', ['lead'], 'agent'),
  ]
  for (const other of others) {
    expect(await refusal(other.decideApproval({ ...about(run.approval), verdict: 'approve' }))).toBe(
      '409 NOT_ELIGIBLE',
    )
  }
  expect(await s.look(run)).toMatchObject({ state: 'waiting_for_approval', receipts: [], changes: 0 })
})

test('a rejection ends the run with its comment, and what comes later is too late', async () => {
  const run = await s.park('two-leads')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'reject', comment: 'wrong account' })
  const ending = await s.expectEnding(run, {
    state: 'failed',
    code: 'REJECTED',
    writebacks: ['rejected'],
    approvals: ['rejected'],
    receipts: ['reject by lena@acme.example', 'outcome rejected'],
    balance: 100,
    changes: 0,
  })
  expect(ending.message).toContain('wrong account')
  expect(await refusal(s.max.decideApproval({ ...about(run.approval), verdict: 'approve' }))).toBe(
    '410 WAIT_OVER',
  )
})

test('of many decisions at once the first counts, and every other one is answered', async () => {
  const run = await s.park('one')
  const decision = about(run.approval)
  const answers = await Promise.all([
    refusal(s.lena.decideApproval({ ...decision, verdict: 'approve' })),
    refusal(s.max.decideApproval({ ...decision, verdict: 'approve' })),
    refusal(s.max.decideApproval({ ...decision, verdict: 'reject' })),
  ])
  // A rejection that comes too late is kept all the same, for it may still stop the write.
  const isKept = (answer: string) => answer.startsWith('not refused') && answer.includes('recorded')
  const counted = answers.filter((answer) => answer.startsWith('not refused') && !isKept(answer))
  expect(counted).toHaveLength(1)
  for (const answer of answers.filter((one) => !counted.includes(one) && !isKept(one)))
    expect(['409 ALREADY_DECIDED', '410 WAIT_OVER']).toContain(answer)
  await s.expectEnding(run, { approvals: [counted[0]?.includes('approved') ? 'approved' : 'rejected'] })
})

test('what nobody decides in time expires, and nothing is applied', async () => {
  const run = await s.park('short')
  await s.expectEnding(run, {
    state: 'failed',
    code: 'EXPIRED',
    writebacks: ['expired'],
    approvals: ['expired'],
    receipts: ['outcome expired'],
    changes: 0,
  })
  expect(await refusal(s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' }))).toBe(
    '410 WAIT_OVER',
  )
})

test('a write that nobody could approve fails at once, and its row is closed', async () => {
  await s.define('nobody', [CHANGE], needs([{ roles: ['astronaut'] }]))
  const run = await s.start('nobody')
  await s.expectEnding(run, {
    state: 'failed',
    code: 'NO_ELIGIBLE_APPROVER',
    writebacks: ['withdrawn'],
    approvals: [],
    receipts: ['outcome withdrawn'],
    changes: 0,
  })
})

test('a write that needs more pairs of eyes than there are fails at once', async () => {
  const lena = { people: ['lena@acme.example'] }
  await s.define('alone', [CHANGE], needs([lena, lena]))
  const run = await s.start('alone')
  await s.expectEnding(run, {
    state: 'failed',
    code: 'NO_ELIGIBLE_APPROVER',
    writebacks: ['withdrawn'],
    approvals: [],
    receipts: ['outcome withdrawn'],
    changes: 0,
  })
})

test('an approval that has lapsed when the write is applied is asked for again', async () => {
  await s.define('fresh', [CHANGE], needs([{ roles: ['lead'] }], { valid_for: '1ms' }))
  const run = await s.park('fresh')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const again = await eventually(async () => {
    const waiting = await s.approvalOf(run)
    return waiting.approval_id === run.approval.approval_id ? undefined : waiting
  })
  expect(await s.look(run)).toMatchObject({
    state: 'waiting_for_approval',
    writebacks: ['planned'],
    changes: 0,
  })
  await s.apply(policyFor('fresh', needs([{ roles: ['lead'] }], { valid_for: '1h' })))
  await s.max.decideApproval({ ...about(again), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', approvals: ['approved', 'approved'], changes: 1 })
})
