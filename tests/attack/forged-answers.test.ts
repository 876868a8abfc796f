/**
 * The attacker can write to the Temporal namespace and to the inbox. He wants a run to go on with an answer that nobody
 * has given, or that somebody has given to another question.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { acceptAnswer, recordAnswer } from '../../activities/asks.ts'
import { signEnvelope } from '../../lib/dsse.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { DECISION_PAYLOAD_TYPE } from '../../schemas/decision.ts'
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import type { Envelope } from '../../schemas/run.ts'
import { endingOfAsking, refusals } from '../support/attack-world.ts'
import { about, refusal, startScenario, type Scenario } from '../support/scenario.ts'

let s: Scenario

const GOLD: JsonObject = { tier: 'gold' }
const FORM: JsonObject = {
  type: 'object',
  properties: { tier: { enum: ['gold', 'plain'] } },
  required: ['tier'],
}
const TIER: JsonObject = {
  name: 'tier',
  ask: { title: 'Which tier?', form: FORM, of: { roles: ['lead'] } },
}

beforeAll(async () => {
  s = await startScenario()
  await s.define('ask', [TIER], { allow: true })
  const other = { ...TIER, ask: { ...(TIER['ask'] as JsonObject), form: {} } }
  await s.define('ask-anything', [other], { allow: true })
})

afterAll(() => s.close())

function ticketFor(
  { approval_id: writebackId, digest }: ApprovalView,
  { key = 'decision', ...more }: { key?: 'decision' | 'receipt' } & JsonObject = {},
): Envelope {
  const decision = {
    decisionId: `dec_${randomUUID().replaceAll('-', '')}`,
    organization: 'acme',
    writebackId,
    digest,
    verdict: 'approve',
    principal: 'lena@acme.example',
    roles: ['lead'],
    method: 'api_key',
    channel: 'api',
    at: new Date().toISOString(),
    comment: '',
    answer: GOLD,
    ...more,
  }
  return signEnvelope(DECISION_PAYLOAD_TYPE, decision, loadSigningKey(s.world.keysFolder, key))
}

test('a forged answer is refused, whatever the door of it: the right one still counts', async () => {
  const run = await s.park('ask')
  const handle = s.world.temporal.workflow.getHandle(run.approval.temporal_workflow_id)
  const send = (ticket: Envelope) => handle.signal('answer', { ticket })
  await handle.signal('answer', { by: 'lena@acme.example', answer: GOLD })
  await handle.signal('answer', { answer: GOLD })
  await send(ticketFor(run.approval, { key: 'receipt' }))
  await send(ticketFor(run.approval, { key: 'receipt', method: 'asserted' }))
  await send({ ...ticketFor(run.approval), payload: Buffer.from('{}').toString('base64') })
  const codes = await refusals(s.world, run.approval, 5)
  expect(codes, codes.join(', ')).toEqual(Array(5).fill('UNVERIFIED'))
  await s.lena.answerAsk({ ...about(run.approval), answer: { tier: 'plain' } })
  await s.expectEnding(run, { state: 'completed', result: { tier: 'plain' } })
})

test('a genuine answer counts for its own question, organization, digest and form only', async () => {
  const [run, other] = [await s.park('ask'), await s.park('ask-anything')]
  const handle = s.world.temporal.workflow.getHandle(run.approval.temporal_workflow_id)
  const send = (ticket: Envelope) => handle.signal('answer', { ticket })
  await send(ticketFor(other.approval))
  await send(ticketFor(run.approval, { organization: 'umbrella' }))
  await send(ticketFor(run.approval, { digest: other.approval.digest }))
  await send(ticketFor(run.approval, { answer: { tier: 'tin' } }))
  await send(ticketFor(run.approval, { principal: 'carl@acme.example', roles: ['lead'] }))
  await send(ticketFor(run.approval, { principal: 'nobody@acme.example' }))
  const codes = await refusals(s.world, run.approval, 6)
  expect(codes, codes.join(', ')).toEqual([
    'STALE_DIGEST',
    'STALE_DIGEST',
    'STALE_DIGEST',
    'INVALID_ANSWER',
    'NOT_ELIGIBLE',
    'NOT_ELIGIBLE',
  ])
  expect((await s.look(run)).state).toBe('waiting_for_approval')
  await send(ticketFor(run.approval))
  await s.expectEnding(run, { state: 'completed', result: GOLD })
})

test('a person does not sign an answer to a question that was changed in the inbox', async () => {
  const run = await s.park('ask')
  await s.world.database.query(
    `update approvals set question = jsonb_set(question, '{title}', '"Shall we have lunch?"') where approval_id = $1`,
    [run.approval.approval_id],
  )
  expect(await refusal(s.lena.answerAsk({ ...about(run.approval), answer: GOLD }))).toBe('409 STALE_DIGEST')
})

test('a question that no step of a run of ours asks is not asked', async () => {
  const writebackId = `ask_${randomUUID()}.tier`
  const origin = {
    deliveryId: 'dlv_none',
    runId: 'run_none',
    automation: 'ask',
    revision: 1,
    path: 'tier',
    writebackId,
  }
  const asking = { organization: 'acme', origin, title: 'Your password?', markdown: '' }
  const input = { organization: 'acme', approvalId: writebackId, writebackId, kept: [], asking }
  const started = await s.world.temporal.workflow.start(WORKFLOW_TYPES.approval, {
    workflowId: `approval/acme/${writebackId}`,
    taskQueue: s.world.taskQueue,
    args: [{ ...input, asked: { digest: '', rule: '', expiresAfterMs: 60_000 } }],
  })
  expect(await endingOfAsking(s.world, started, writebackId)).toBe('UNKNOWN_ORIGIN')
  expect(await refusal(s.world.admin.getApproval({ approval_id: writebackId }))).toBe('404 NOT_FOUND')
})

// He has put a workflow of his own where the run looks for its child, and it returns what he likes.
test('a run takes only an answer that a door has signed, of somebody who may give it, to what was asked', async () => {
  const run = await s.park('ask')
  const { rows } = await s.world.database.query<{ delivery: string }>(
    `select id as delivery from deliveries where runs @> jsonb_build_array(jsonb_build_object('runId', $1::text))`,
    [run.runId],
  )
  const { approval } = run
  const origin = {
    deliveryId: rows[0]?.delivery ?? '',
    runId: run.runId,
    automation: 'ask',
    revision: 1,
    path: 'tier',
    writebackId: approval.approval_id,
  }
  const asking = { organization: 'acme', origin, title: 'Which tier?', markdown: '' }
  const keys = loadTrustedKeys(publicKeysFile(s.world.keysFolder))
  const deps = {
    database: s.world.database,
    trust: { keys, identity: 'verified' },
    signingKey: loadSigningKey(s.world.keysFolder, 'receipt'),
    nowMs: Date.now,
  } as unknown as Parameters<typeof acceptAnswer>[0]
  const accepted = async (envelope: Envelope, asked = asking): Promise<unknown> =>
    acceptAnswer(deps, { asking: asked, envelope }).catch((error: unknown) =>
      error instanceof CodedError ? error.code : error,
    )
  expect(await accepted(ticketFor(approval))).toEqual(GOLD)
  expect(await accepted(ticketFor(approval, { key: 'receipt' }))).toBe('UNVERIFIED')
  expect(await accepted(ticketFor(approval, { principal: 'carl@acme.example' }))).toBe('NOT_ELIGIBLE')
  expect(await accepted(ticketFor(approval, { answer: { tier: 'tin' } }))).toBe('INVALID_ANSWER')
  expect(await accepted(ticketFor(approval, { verdict: 'reject' }))).toBe('INVALID_ANSWER')
  expect(await accepted(ticketFor(approval, { digest: 'b'.repeat(64) }))).toBe('STALE_DIGEST')
  expect(await accepted(ticketFor(approval), { ...asking, title: 'Another?' })).toBe('UNKNOWN_ORIGIN')
  const elsewhere = { ...asking, origin: { ...origin, runId: 'run_other' } }
  expect(await accepted(ticketFor(approval), elsewhere)).toBe('UNKNOWN_ORIGIN')
  // Nor is a receipt signed of one that does not count.
  const recorded = async (envelope: Envelope): Promise<unknown> =>
    recordAnswer(deps, { asking, envelope }).catch((error: unknown) =>
      error instanceof CodedError ? error.code : error,
    )
  expect(await recorded(ticketFor(approval, { principal: 'carl@acme.example' }))).toBe('NOT_ELIGIBLE')
  expect(await recorded(ticketFor(approval, { digest: 'b'.repeat(64) }))).toBe('STALE_DIGEST')
  expect(await s.look(run)).toMatchObject({ receipts: [], approvals: ['waiting'] })
})
