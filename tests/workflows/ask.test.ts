/** Questions to people as steps of real runs: whom they may be answered by, what an answer has to be, and their ends. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { verifyReceipts } from '../../lib/receipts.ts'
import { about, refusal, startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
})

afterAll(() => s.close())

const FORM: JsonObject = {
  type: 'object',
  properties: { tier: { enum: ['gold', 'plain'] }, note: { type: 'string' } },
  required: ['tier'],
  additionalProperties: false,
}
const ask = (more: JsonObject = {}): JsonObject => ({
  name: 'tier',
  ask: {
    title: 'Which tier has ${{ input.account }}?',
    markdown: 'They pay **${{ input.balance }}** a month.',
    form: FORM,
    of: { roles: ['lead'] },
    ...more,
  },
})
const RESULT: JsonObject = { name: 'result', return: '${{ steps.tier.output.tier }}' }

async function park(name: string, more: JsonObject = {}, options?: Parameters<Scenario['park']>[1]) {
  await s.define(name, [ask(more), RESULT], { allow: true })
  return s.park(name, options)
}

test('an answer that fits the form is the output, and leaves a receipt', async () => {
  const run = await park('ask-answered')
  const { approval } = run
  expect(approval).toMatchObject({
    state: 'waiting',
    question: { title: `Which tier has ${run.account}?`, markdown: 'They pay **7** a month.', form: FORM },
    answer: null,
    requester: { principal: 'carl@acme.example' },
  })
  const handle = s.world.temporal.workflow.getHandle(approval.temporal_workflow_id)
  // In lists and timelines of the Temporal UI.
  expect(await (await handle.describe()).staticSummary()).toBe('Question of step tier')
  const details = await handle.query<{ currentDetails: string }>('__temporal_workflow_metadata')
  expect(details.currentDetails).toContain('They pay **7** a month.')
  expect(details.currentDetails).toContain(`countersign answer ${approval.approval_id}`)
  const answer = { tier: 'gold', note: 'since 2019' }
  expect(await s.lena.answerAsk({ ...about(approval), answer, comment: 'sure' })).toMatchObject({
    state: 'approved',
  })
  await s.expectEnding(run, {
    state: 'completed',
    result: 'gold',
    receipts: ['approve by lena@acme.example'],
  })
  const answered = await s.world.admin.getApproval({ approval_id: approval.approval_id })
  expect(answered).toMatchObject({ state: 'approved', answer })
  const { receipts } = await s.world.admin.listReceipts({ run_id: run.runId })
  const keys = loadTrustedKeys(publicKeysFile(s.world.keysFolder))
  expect(
    verifyReceipts(
      receipts.map(({ envelope }) => envelope),
      keys,
    ).problems,
  ).toEqual([])
})

test('an answer that does not fit is refused with its place, and may be given again', async () => {
  const run = await park('ask-again')
  const wrong = s.lena.answerAsk({ ...about(run.approval), answer: { tier: 'tin', more: 1 } })
  await expect(wrong).rejects.toMatchObject({ status: 422, code: 'INVALID_ANSWER' })
  await expect(wrong).rejects.toThrow(/answer\.tier: must be equal to one of the allowed values: gold, plain/)
  expect(await refusal(s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' }))).toBe(
    '422 INVALID_ANSWER',
  )
  expect(await refusal(s.lena.answerAsk({ ...about(run.approval), answer: 'x'.repeat(40_000) }))).toBe(
    '422 INVALID_ANSWER',
  )
  await s.lena.answerAsk({ ...about(run.approval), answer: { tier: 'plain' } })
  await s.expectEnding(run, { state: 'completed', result: 'plain' })
  expect(await refusal(s.max.answerAsk({ ...about(run.approval), answer: { tier: 'gold' } }))).toBe(
    '410 WAIT_OVER',
  )
})

test('only persons that it is for answer; the requester may, unless the step says no', async () => {
  const run = await park('ask-whom')
  const answer = { tier: 'gold' }
  expect(await refusal(s.clerk.answerAsk({ ...about(run.approval), answer }))).toBe('409 NOT_ELIGIBLE')
  const agent = await s.world.as('agent-lead', ['lead'], 'agent')
  expect(await refusal(agent.answerAsk({ ...about(run.approval), answer }))).toBe('409 NOT_ELIGIBLE')
  await s.max.answerAsk({ ...about(run.approval), answer })
  await s.expectEnding(run, { state: 'completed' })
  const own = await park('ask-own', {}, { by: s.lena })
  await s.lena.answerAsk({ ...about(own.approval), answer })
  await s.expectEnding(own, { state: 'completed' })
  const others = await park('ask-others', { self_answer: false }, { by: s.lena })
  expect(await refusal(s.lena.answerAsk({ ...about(others.approval), answer }))).toBe('409 SELF_APPROVAL')
  await s.max.answerAsk({ ...about(others.approval), answer })
  await s.expectEnding(others, { state: 'completed' })
})

test('it ends without an answer: in time, by a cancel, or because nobody could give one', async () => {
  await s.define('ask-hasty', [ask({ expires_after: '1s' })], { allow: true })
  await s.expectEnding(await s.start('ask-hasty'), {
    state: 'failed',
    code: 'EXPIRED',
    approvals: ['expired'],
  })
  const run = await park('ask-cancelled')
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled', approvals: ['withdrawn'] })
  await s.define('ask-nobody', [ask({ of: { roles: ['nobody_has_it'] } })], { allow: true })
  await s.expectEnding(await s.start('ask-nobody'), { state: 'failed', code: 'NO_ELIGIBLE_APPROVER' })
})

test('it is found again after a reset', async () => {
  const run = await park('ask-reset')
  const handle = s.world.temporal.workflow.getHandle(run.workflowId)
  const [{ runId }, { events }] = [await handle.describe(), await handle.fetchHistory()]
  const first = events?.find(({ workflowTaskCompletedEventAttributes: attributes }) => attributes)
  await s.world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: run.workflowId, runId },
    reason: 'tested',
    workflowTaskFinishEventId: first?.eventId ?? null,
    requestId: crypto.randomUUID(),
  })
  await eventually(async () => (await handle.describe()).runId !== runId)
  await s.lena.answerAsk({ ...about(run.approval), answer: { tier: 'gold' } })
  await s.expectEnding(run, { state: 'completed', result: 'gold', approvals: ['approved'] })
})
