/** A write whose answer is lost waits, visibly, for a person who says what became of it; nobody and nothing else may. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadSigningKey } from '../../lib/keys.ts'
import { signEnvelope } from '../../lib/dsse.ts'
import { MESSAGES, writebackWorkflowId } from '../../schemas/names.ts'
import { RESOLUTION_PAYLOAD_TYPE, type Resolution } from '../../schemas/resolution.ts'
import type { Envelope } from '../../schemas/run.ts'
import { NOTE, ONE_LEAD, policyFor } from '../support/automations.ts'
import {
  about,
  refusal,
  startScenario,
  type Person,
  type Scenario,
  type StartedRun,
} from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
let olga: Person
let isBroken = true

beforeAll(async () => {
  s = await startScenario({
    intercept: ({ method }, response) => {
      if (method !== 'tools/call' || !isBroken) return false
      response.destroy()
      return true
    },
  })
  olga = await s.world.as('olga@acme.example', ['operator'])
  const next = {
    name: 'next',
    return: { status: '${{ steps.note.status }}', noted: '${{ steps.note.output }}' },
  }
  await s.define('free', [NOTE, next], { allow: true })
  await s.define('gated', [NOTE, next], ONE_LEAD)
  await s.define('stubborn', [{ ...NOTE, retry: { max_attempts: 3, backoff: '1ms' } }], { allow: true })
  const stop = { name: 'stop', fail: { code: 'NOT_TODAY', message: 'no' } }
  const right = [{ name: 'nap', sleep: { for: '8s' } }, stop]
  await s.define('fan', [{ name: 'fan', parallel: { branches: { left: [NOTE], right } } }], { allow: true })
})

afterAll(() => s.close())

const handleOf = (workflowId: string) => s.world.temporal.workflow.getHandle(workflowId)

interface Doubtful extends StartedRun {
  writebackId: string
  workflowId: string
}

/** A run whose write may have been done: its answer is lost. */
async function doubtful(
  automation: 'free' | 'gated' | 'stubborn' | 'fan',
  by: Person = s.clerk,
): Promise<Doubtful> {
  isBroken = true
  const run = await s.start(automation, { by })
  if (automation === 'gated') {
    const approval = await s.approvalOf(run)
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
  }
  await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
  const { writebacks } = await s.world.admin.getRun({ run_id: run.runId })
  const writebackId = writebacks[0]?.writeback_id ?? ''
  await eventually(async () => handleOf(childOf(writebackId)).describe())
  return { ...run, writebackId }
}

const childOf = (writebackId: string) => writebackWorkflowId({ organization: 'acme', writebackId })

const resolve = (person: Person, run: Doubtful, resolution: 'applied' | 'not_applied', comment = '') =>
  person.resolveWriteback({ writeback_id: run.writebackId, resolution, comment })

async function detailsOf(workflowId: string): Promise<string> {
  const shown = await handleOf(workflowId).query<{ currentDetails: string }>('__temporal_workflow_metadata')
  return shown.currentDetails
}

test('an ungated write of unknown outcome waits for an operator; found applied, the run goes on', async () => {
  const run = await doubtful('free')
  const details = await eventually(async () => {
    const shown = await detailsOf(childOf(run.writebackId))
    return shown.includes('Nobody knows') && shown
  })
  expect(details).toContain(`countersign writebacks resolve ${run.writebackId} --as not-applied`)
  expect(details).toContain('look at tools.note')
  expect(await detailsOf(run.workflowId)).toContain('Waits for `writeback/acme/')
  const answer = await resolve(olga, run, 'applied', 'it is there')
  expect(answer).toMatchObject({
    state: 'applied',
    message: 'olga@acme.example found it applied: it is there',
  })
  await s.expectEnding(run, {
    state: 'completed',
    result: { status: 'completed', noted: null },
    writebacks: ['applied'],
    receipts: ['outcome unknown', 'resolved applied by olga@acme.example'],
    notes: 0,
  })
  const [, statement] = await s.statements(run)
  expect(statement?.predicate).toMatchObject({
    resolution: 'applied',
    comment: 'it is there',
    method: 'api_key',
  })
  // The run's result knows the resolution's receipt as the last.
  const { receipts_head: head, receipts } = await s.world.admin.getRun({ run_id: run.runId })
  expect(head).toEqual({ count: 2, sha256: receipts[1]?.sha256 })
})

test('found not applied, the step fails, and nothing is sent again', async () => {
  const run = await doubtful('gated')
  isBroken = false
  expect(await resolve(s.max, run, 'not_applied', 'no trace of it')).toMatchObject({ state: 'failed' })
  const ending = await s.expectEnding(run, {
    state: 'failed',
    code: 'NOT_APPLIED',
    writebacks: ['failed'],
    receipts: ['approve by lena@acme.example', 'outcome unknown', 'resolved failed by max@acme.example'],
    notes: 0,
  })
  expect(ending.message).toContain('no trace of it')
})

test('found not applied, it is not tried again either: so it was promised to whoever said it', async () => {
  const run = await doubtful('stubborn')
  isBroken = false
  expect(await resolve(olga, run, 'not_applied')).toMatchObject({ state: 'failed' })
  await s.expectEnding(run, { state: 'failed', code: 'NOT_APPLIED', writebacks: ['failed'], notes: 0 })
})

test('a branch beside it that fails leaves it unknown, and a person can still say what became of it', async () => {
  const run = await doubtful('fan')
  await s.expectEnding(run, { state: 'failed', code: 'NOT_TODAY', writebacks: ['unknown'] })
  expect(await resolve(olga, run, 'applied')).toMatchObject({ state: 'applied' })
  await s.expectEnding(run, { state: 'failed', code: 'NOT_TODAY', writebacks: ['applied'] })
})

test('who may not approve it, asked for it, or is no person, is refused', async () => {
  const starter = await s.world.as('stan@acme.example', ['lead'])
  const [free, gated] = await Promise.all([doubtful('free'), doubtful('gated', starter)])
  const service = await s.world.as('service-1', ['operator', 'lead'], 'service')
  const agent = await s.world.as('agent-1', ['operator', 'lead'], 'agent')
  for (const run of [free, gated]) {
    expect(await refusal(resolve(service, run, 'applied'))).toBe('409 NOT_ELIGIBLE')
    expect(await refusal(resolve(agent, run, 'applied'))).toBe('409 NOT_ELIGIBLE')
    expect(await refusal(resolve(s.clerk, run, 'applied'))).toBe('409 NOT_ELIGIBLE')
  }
  // Leads may approve the gated one; nobody had to approve the other.
  expect(await refusal(resolve(s.lena, free, 'applied'))).toBe('409 NOT_ELIGIBLE')
  expect(await refusal(resolve(starter, gated, 'applied'))).toBe('409 SELF_APPROVAL')
  await s.expectEnding(free, { state: 'waiting_for_resolution', receipts: ['outcome unknown'] })
  // The API knew it before: the workflow was not asked.
  expect(await detailsOf(childOf(free.writebackId))).not.toContain('Refused messages')
  expect(await resolve(olga, gated, 'applied')).toMatchObject({ state: 'applied' })
  expect(await resolve(olga, free, 'applied')).toMatchObject({ state: 'applied' })
  for (const run of [free, gated]) await s.expectEnding(run, { state: 'completed' })
})

test('a signal with a ticket resolves, also when it is sent to the run; what is forged does not', async () => {
  const [run, other] = await Promise.all([doubtful('free'), doubtful('free')])
  const { digest } = await s.world.admin.getWriteback({ writeback_id: run.writebackId })
  const ticket = await olga.createResolutionTicket({ writeback_id: run.writebackId, resolution: 'applied' })
  expect(ticket).toMatchObject({ workflow_id: childOf(run.writebackId), signal: 'resolve' })
  const word = JSON.parse(Buffer.from(ticket.input.ticket.payload, 'base64').toString()) as Resolution
  expect(word).toMatchObject({ organization: 'acme', writebackId: run.writebackId, digest })
  const payload = Buffer.from(JSON.stringify({ ...word, resolution: 'not_applied' })).toString('base64')
  const worker = loadSigningKey(s.world.keysFolder, 'receipt')
  const door = loadSigningKey(s.world.keysFolder, 'decision')
  const attempts: [string, unknown][] = [
    ['UNVERIFIED', { by: 'olga@acme.example', resolution: 'applied' }],
    ['UNVERIFIED', { ticket: { ...ticket.input.ticket, payload } satisfies Envelope }],
    ['UNVERIFIED', { ticket: signEnvelope(RESOLUTION_PAYLOAD_TYPE, word, worker) }],
    // As the door signs it, but as another kind of document, about another write, and about other content.
    ['UNVERIFIED', { ticket: signEnvelope('application/json', word, door) }],
    [
      'STALE_DIGEST',
      { ticket: signEnvelope(RESOLUTION_PAYLOAD_TYPE, { ...word, writebackId: 'wb_x' }, door) },
    ],
    [
      'STALE_DIGEST',
      { ticket: signEnvelope(RESOLUTION_PAYLOAD_TYPE, { ...word, digest: 'e'.repeat(64) }, door) },
    ],
  ]
  const handle = handleOf(childOf(run.writebackId))
  for (const [code, message] of attempts) {
    const answer = await handle.executeUpdate<{ accepted: boolean; code: string }, [unknown]>(
      MESSAGES.resolveUpdate,
      { args: [message] },
    )
    expect(answer).toMatchObject({ accepted: false, code })
  }
  await handleOf(childOf(other.writebackId)).signal(ticket.signal, ticket.input)
  await s.expectEnding(other, { state: 'waiting_for_resolution', receipts: ['outcome unknown'] })
  await handleOf(run.workflowId).signal(ticket.signal, ticket.input)
  await s.expectEnding(run, { state: 'completed', writebacks: ['applied'] })
  await resolve(olga, other, 'applied')
  await s.expectEnding(other, { state: 'completed' })
})

test('a cancel while it waits leaves it unknown, and a person can still say what became of it', async () => {
  const run = await doubtful('free')
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, {
    state: 'failed',
    code: 'OUTCOME_UNKNOWN',
    writebacks: ['unknown'],
    receipts: ['outcome unknown'],
  })
  expect(await refusal(resolve(s.lena, run, 'applied'))).toBe('409 NOT_ELIGIBLE')
  expect(await resolve(olga, run, 'applied')).toMatchObject({ state: 'applied' })
  await s.expectEnding(run, {
    state: 'failed',
    writebacks: ['applied'],
    receipts: ['outcome unknown', 'resolved applied by olga@acme.example'],
  })
})

test('the first word stands; it is the same word when it is sent again', async () => {
  const run = await doubtful('free')
  const word = { writeback_id: run.writebackId, resolution: 'applied' as const }
  const first = await olga.resolveWriteback(word, { idempotencyKey: 'once' })
  expect(await olga.resolveWriteback(word, { idempotencyKey: 'once' })).toEqual(first)
  expect(await refusal(resolve(olga, run, 'not_applied'))).toBe('409 NOT_UNKNOWN')
  await s.expectEnding(run, {
    state: 'completed',
    receipts: ['outcome unknown', 'resolved applied by olga@acme.example'],
  })
})

test('a write whose outcome is known, or that waits for people, has nothing to resolve', async () => {
  isBroken = false
  const [done, parked] = [await s.start('free'), await s.park('gated')]
  await s.expectEnding(done, { state: 'completed', notes: 1 })
  const { writebacks } = await s.world.admin.getRun({ run_id: done.runId })
  for (const writebackId of [writebacks[0]?.writeback_id ?? '', parked.approval.writeback_id]) {
    expect(await refusal(resolve(olga, { ...done, writebackId }, 'not_applied'))).toBe('409 NOT_UNKNOWN')
  }
  expect(await refusal(resolve(olga, { ...done, writebackId: 'wb_none.note.1' }, 'applied'))).toBe(
    '404 NOT_FOUND',
  )
  await s.lena.decideApproval({ ...about(parked.approval), verdict: 'approve' })
  await s.expectEnding(parked, { state: 'completed', notes: 1 })
})

test('of a row that somebody has changed nobody says anything', async () => {
  const run = await doubtful('free')
  const change = (preview: string) =>
    s.world.database.query(`update writebacks set preview = ${preview} where writeback_id = $1`, [
      run.writebackId,
    ])
  await change(`jsonb_set(preview, '{target}', '"tools.harmless"')`)
  expect(await refusal(resolve(olga, run, 'applied'))).toBe('409 STALE_DIGEST')
  await change(`jsonb_set(preview, '{target}', '"tools.note"')`)
  expect(await resolve(olga, run, 'applied')).toMatchObject({ state: 'applied' })
  await s.expectEnding(run, { state: 'completed' })
})

test('a policy that denies by now does not keep a person from saying what became of it', async () => {
  const run = await doubtful('gated')
  await s.apply(policyFor('gated', { deny: true }))
  expect(await resolve(s.lena, run, 'applied')).toMatchObject({ state: 'applied' })
  await s.expectEnding(run, { state: 'completed' })
})
