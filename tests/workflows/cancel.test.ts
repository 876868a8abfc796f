/**
 * Runs that are ended from outside, at every moment. Whatever is ended, the ledger closes with a receipt, the inbox is
 * empty, nothing can be applied afterwards, and what was under way ends with what became of it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaultPayloadConverter } from '@temporalio/common'
import { approvalWorkflowId, writebackWorkflowId, WORKFLOW_TYPES } from '../../schemas/names.ts'
import type { RunInput } from '../../schemas/run.ts'
import { CHANGE, LOOK, NOTE, NOTE_AGAIN, ONE_LEAD } from '../support/automations.ts'
import {
  about,
  refusal,
  startScenario,
  type Ending,
  type Scenario,
  type StartedRun,
} from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const ORGANIZATION = 'acme'
const WITHDRAWN: Partial<Ending> = {
  writebacks: ['withdrawn'],
  approvals: ['withdrawn'],
  receipts: ['outcome withdrawn'],
  changes: 0,
}

let s: Scenario
/** What the server does with calls of its tools instead of answering them. */
let fault: 'none' | 'throttle' | 'throttle sessions' | 'break' | 'hang' = 'none'
let broken = 0
/** Of the calls since the fault is in place. */
let lastMethod = ''

beforeAll(async () => {
  s = await startScenario({
    intercept: ({ method }, response) => {
      // The session of a call comes behind that of the listing.
      const opensCall = method === 'initialize' && lastMethod === 'tools/list'
      lastMethod = method
      if (fault === 'throttle sessions' && opensCall) {
        response.writeHead(429).end()
        return true
      }
      if (method !== 'tools/call' || fault === 'none') return false
      if (fault === 'throttle') response.writeHead(429).end()
      if (fault === 'break') response.destroy()
      broken++
      return true
    },
  })
  await s.define('change', [CHANGE], ONE_LEAD)
  await s.define('gated-note', [NOTE], ONE_LEAD)
  await s.define('look', [LOOK], ONE_LEAD)
  await s.define('free-note', [NOTE], { allow: true })
  await s.define('note-again', [NOTE_AGAIN], { allow: true })
  await s.define('hasty-note', [{ ...NOTE, timeout: '3s' }], { allow: true })
})

afterAll(() => s.close())

const handleOf = (workflowId: string) => s.world.temporal.workflow.getHandle(workflowId)

async function expectNoLaterApproval(run: Awaited<ReturnType<Scenario['park']>>): Promise<void> {
  const later = s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  expect(await refusal(later)).toBe('410 WAIT_OVER')
  const ticket = await s.lena.createTicket({ ...about(run.approval), verdict: 'approve' })
  await expect(handleOf(ticket.workflow_id).signal(ticket.signal, ticket.input)).rejects.toThrow()
  expect(await s.look(run)).toMatchObject(WITHDRAWN)
}

/** Until the server has been called with the fault in place. */
async function untilBroken(): Promise<void> {
  const before = broken
  await eventually(async () => broken > before)
}

for (const automation of ['change', 'gated-note']) {
  test(`cancelling a parked run of ${automation} withdraws its write`, async () => {
    const run = await s.park(automation)
    await s.clerk.cancelRun({ run_id: run.runId })
    await s.expectEnding(run, { ...WITHDRAWN, state: 'cancelled', code: 'CANCELLED', notes: 0 })
    await expectNoLaterApproval(run)
  })
}

test('terminating a parked run withdraws its write', async () => {
  const run = await s.park('change')
  await handleOf(run.workflowId).terminate('an operator')
  await s.expectEnding(run, { ...WITHDRAWN, state: 'terminated' })
  await expectNoLaterApproval(run)
})

test('a parked run that runs into a time-out of Temporal withdraws its write', async () => {
  const first = await s.park('change')
  const { events } = await handleOf(first.workflowId).fetchHistory()
  const payloads = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads
  if (!payloads) throw new Error('the run has no input')
  await handleOf(first.workflowId).terminate('started again with a time-out')
  await s.expectEnding(first, WITHDRAWN)
  // Nobody can start a delivery with a time-out: so this is another delivery of the same, started here.
  const [start, plan] = payloads.map((payload) => defaultPayloadConverter.fromPayload<RunInput>(payload))
  if (!start) throw new Error('the run has no input')
  const second = {
    ...first,
    runId: `${start.runId.slice(0, -4)}beef`,
    workflowId: `${first.workflowId}-again`,
  }
  await s.world.database.query(
    `insert into deliveries (id, organization, source, dedupe_key, request_sha256, requester, runs, state)
     select id || '0', organization, source, dedupe_key || '0', request_sha256, requester,
       jsonb_set(jsonb_set(runs, '{0,runId}', to_jsonb($2::text)), '{0,workflowId}', to_jsonb($3::text)), 'started'
     from deliveries where id = $1`,
    [start.deliveryId, second.runId, second.workflowId],
  )
  const again = { ...start, runId: second.runId, deliveryId: `${start.deliveryId}0` }
  const handle = await s.world.temporal.workflow.start(WORKFLOW_TYPES.automation, {
    workflowId: second.workflowId,
    taskQueue: s.world.taskQueue,
    args: [again, plan],
    workflowRunTimeout: '2s',
  })
  await expect(handle.result()).rejects.toThrow()
  expect((await handle.describe()).status.name).toBe('TIMED_OUT')
  await s.expectEnding(second, { ...WITHDRAWN, state: 'timed_out' })
})

test('cancelling the writeback of a run ends the run as withdrawn', async () => {
  const run = await s.park('change')
  const { writeback_id: writebackId } = run.approval
  await handleOf(writebackWorkflowId({ organization: ORGANIZATION, writebackId })).cancel()
  await s.expectEnding(run, { ...WITHDRAWN, state: 'failed', code: 'WITHDRAWN' })
  await expectNoLaterApproval(run)
})

test('cancelling the approval of a run ends the run as withdrawn', async () => {
  const run = await s.park('change')
  const { approval_id: approvalId } = run.approval
  await handleOf(approvalWorkflowId({ organization: ORGANIZATION, approvalId })).cancel()
  await s.expectEnding(run, { ...WITHDRAWN, state: 'failed', code: 'WITHDRAWN' })
  await expectNoLaterApproval(run)
})

// Nobody can give these two a time-out of Temporal from outside: they are started by their parents, without one. So this
// stands for it: an execution that is ended where it is, and that its parent finds ended.
test('terminating the approval or the writeback of a run empties the inbox too', async () => {
  const [one, other] = [await s.park('change'), await s.park('change')]
  await handleOf(one.approval.temporal_workflow_id).terminate('an operator')
  await s.expectEnding(one, { ...WITHDRAWN, state: 'failed' })
  const { writeback_id: writebackId } = other.approval
  await handleOf(writebackWorkflowId({ organization: ORGANIZATION, writebackId })).terminate('an operator')
  await s.expectEnding(other, { ...WITHDRAWN, state: 'failed' })
})

test('a decision that meets a cancel is answered, and never half counted', async () => {
  for (let round = 0; round < 5; round++) {
    const run = await s.park('change')
    const [answer] = await Promise.all([
      refusal(s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })),
      s.clerk.cancelRun({ run_id: run.runId }),
    ])
    expect(answer).toMatch(/^(not refused|409 ALREADY_DECIDED|410 WAIT_OVER)/)
    await eventually(async () => {
      const { state, writebacks } = await s.look(run)
      return state !== 'waiting_for_approval' && state !== 'running' && writebacks[0] !== 'planned'
    })
    const { writebacks, changes } = await s.look(run)
    expect({ writebacks, changes }).toEqual(
      changes === 1 ? { writebacks: ['applied'], changes } : { writebacks: ['withdrawn'], changes },
    )
  }
})

test('cancelling a run while it reads ends it as cancelled', async () => {
  fault = 'hang'
  const run = await s.start('look')
  await untilBroken()
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled', code: 'CANCELLED', writebacks: [] })
  fault = 'none'
})

test('cancelling a run while a write is sent waits for what becomes of it', async () => {
  fault = 'hang'
  const run = await s.start('free-note')
  await untilBroken()
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  await eventually(async () => ['cancelled', 'failed'].includes((await s.look(run)).state))
  fault = 'none'
})

test('a write that may have happened is never called withdrawn, though the next try was surely not sent', async () => {
  fault = 'break'
  const run = await s.start('note-again')
  await untilBroken()
  fault = 'throttle'
  await untilBroken()
  await s.clerk.cancelRun({ run_id: run.runId })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  expect(await s.look(run)).toMatchObject({ writebacks: ['sending'], receipts: [] })
  fault = 'none'
  // The first may not have reached the tool, and a second one would be the first after the cancel.
  await s.expectEnding(run, { writebacks: ['unknown'], receipts: ['outcome unknown'] })
  const end = (await s.statements(run)).at(-1)?.predicate
  expect(end?.['message']).toMatch(/nobody wants it any more, so it is not sent again$/)
})

test('a write that could not be sent in its time leaves a closed row', async () => {
  lastMethod = ''
  fault = 'throttle sessions'
  const run: StartedRun = await s.start('hasty-note')
  await s.expectEnding(run, { state: 'failed', code: 'CALL_THROTTLED' })
  fault = 'none'
  await s.expectEnding(run, { writebacks: ['withdrawn'], receipts: ['outcome withdrawn'], notes: 0 })
})
