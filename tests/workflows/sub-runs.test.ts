/** Runs that a step of another run starts: pinned, asked for by the same person, ended with the run around them. */
import { randomUUID } from 'node:crypto'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { executionState } from '../../activities/executions.ts'
import { openSubRun } from '../../activities/sub-runs.ts'
import { findDeliveryOfRun } from '../../db/queries/deliveries.ts'
import type { JsonObject } from '../../lib/json.ts'
import { automation, LOOK, NOTE, ONE_LEAD } from '../support/automations.ts'
import { about, refusal, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { reset } from '../support/resets.ts'
import { eventually } from '../support/world.ts'

const DELETED_WITHIN_MS = 120_000

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('noting', [NOTE, { name: 'end', return: { by: 'revision 1' } }], ONE_LEAD)
  await s.define('around', [sub('noting'), { name: 'end', return: '${{ steps.sub.output }}' }], {
    allow: true,
  })
})

afterAll(() => s.close())

function sub(name: string, more: JsonObject = {}): JsonObject {
  return {
    name: 'sub',
    run_automation: { automation: name, input: { account: '${{ input.account }}' } },
    ...more,
  }
}

const handleOf = (workflowId: string) => s.world.temporal.workflow.getHandle(workflowId)

/** The run that a step of this one has started, as soon as it waits for an approval. */
async function parkedSubRun(run: StartedRun) {
  const workflowId = await eventually(async () => {
    const { raw } = await handleOf(run.workflowId).describe()
    return raw.pendingChildren?.[0]?.workflowId
  })
  const { items } = await s.world.admin.listRuns({})
  const found = items.find((item) => item.temporal_workflow_id === workflowId)
  if (!found) throw new Error(`the API does not know ${workflowId}`)
  const inner: StartedRun = { runId: found.run_id, workflowId, account: run.account }
  return { ...inner, source: found.source, approval: await s.approvalOf(inner) }
}

test('a sub-run keeps the revision it began with, and its result is the output', async () => {
  const run = await s.start('around')
  const inner = await parkedSubRun(run)
  expect(inner.source).toBe(`run/${run.runId}`)
  await s.define('noting', [NOTE, { name: 'end', return: { by: 'revision 2' } }], ONE_LEAD)
  await s.lena.decideApproval({ ...about(inner.approval), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', result: { by: 'revision 1' }, notes: 1, writebacks: [] })
  await s.expectEnding(inner, { state: 'completed', writebacks: ['applied'] })
  const later = await s.start('around')
  const next = await parkedSubRun(later)
  await s.lena.decideApproval({ ...about(next.approval), verdict: 'approve' })
  await s.expectEnding(later, { state: 'completed', result: { by: 'revision 2' } })
})

test('whoever asked for a run may not approve what its sub-run wants to write', async () => {
  const run = await s.start('around', { by: s.lena })
  const { approval, ...inner } = await parkedSubRun(run)
  expect(approval.requester.principal).toBe('lena@acme.example')
  expect(await refusal(s.lena.decideApproval({ ...about(approval), verdict: 'approve' }))).toBe(
    '409 SELF_APPROVAL',
  )
  await s.max.decideApproval({ ...about(approval), verdict: 'reject', comment: 'no' })
  await s.expectEnding(inner, { state: 'failed', code: 'REJECTED' })
  await s.expectEnding(run, { state: 'failed', code: 'REJECTED', notes: 0 })
})

test('a decision sent to the run around goes to the approval below it', async () => {
  const run = await s.start('around')
  const { approval } = await parkedSubRun(run)
  const ticket = await s.lena.createTicket({ ...about(approval), verdict: 'approve' })
  await handleOf(run.workflowId).signal(ticket.signal, ticket.input)
  await s.expectEnding(run, { state: 'completed', notes: 1 })
})

test('cancelling a run cancels its sub-run and withdraws what that waits for', async () => {
  const run = await s.start('around')
  const inner = await parkedSubRun(run)
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled' })
  await s.expectEnding(inner, {
    state: 'cancelled',
    writebacks: ['withdrawn'],
    approvals: ['withdrawn'],
    notes: 0,
  })
})

test('a sub-run that somebody cancels is a failure, which may be continued after', async () => {
  const result = { name: 'end', return: '${{ steps.sub.error.code }}' }
  await s.define('tolerant', [sub('noting', { on_error: 'continue' }), result], { allow: true })
  const run = await s.start('tolerant')
  const inner = await parkedSubRun(run)
  await s.clerk.cancelRun({ run_id: inner.runId })
  await s.expectEnding(run, { state: 'completed', result: 'CANCELLED' })
})

test('a run that is reset finds its sub-run again', async () => {
  const run = await s.start('around')
  const inner = await parkedSubRun(run)
  const handle = handleOf(run.workflowId)
  const { runId } = await handle.describe()
  const { events } = await handle.fetchHistory()
  const completed = temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
  const first = events?.find(({ eventType }) => eventType === completed)
  await s.world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId: run.workflowId, runId },
    reason: 'a test',
    workflowTaskFinishEventId: first?.eventId ?? null,
    requestId: randomUUID(),
  })
  await eventually(async () => {
    const { raw } = await handle.describe()
    return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'awaitWorkflow')
  })
  await s.lena.decideApproval({ ...about(inner.approval), verdict: 'approve' })
  await s.expectEnding(run, { state: 'completed', notes: 1 })
  await s.expectEnding(inner, { state: 'completed', writebacks: ['applied'], changes: 0 })
})

test(
  'a run that is reset does not do again what a sub-run has done that Temporal has forgotten',
  async () => {
    const run = await s.start('around')
    const inner = await parkedSubRun(run)
    await s.lena.decideApproval({ ...about(inner.approval), verdict: 'approve' })
    await s.expectEnding(run, { state: 'completed', notes: 1 })
    const { workflowId } = inner
    await s.world.temporal.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId },
    })
    // Temporal deletes when its queues have passed the end of the execution, which takes up to a minute.
    const isGone = async () => (await executionState(s.world.temporal, workflowId, Date.now())) === 'gone'
    await eventually(isGone, DELETED_WITHIN_MS)
    await reset(s.world, run)
    await s.expectEnding(run, { state: 'failed', code: 'SUB_RUN_FORGOTTEN', notes: 1 })
  },
  2 * DELETED_WITHIN_MS,
)

test('runs are at most 8 deep', async () => {
  await s.define('abyss', [LOOK], { allow: true })
  // Without the condition it would be refused at save.
  await s.apply(automation('abyss', [LOOK, sub('abyss', { if: 'input.account != ""' })]))
  const run = await s.start('abyss')
  const ending = await s.expectEnding(run, { state: 'failed', code: 'LIMIT_EXCEEDED' })
  expect(ending.message).toContain('8 deep')
  expect(s.server.calls.filter((call) => call.arguments['about'] === run.account)).toHaveLength(8)
})

test('an input that the automation does not take fails the step', async () => {
  const schema = { type: 'object', properties: { account: { type: 'integer' } }, required: ['account'] }
  await s.apply({ kind: 'Automation', name: 'numeric', spec: { input: schema, steps: [LOOK] } })
  await s.define('mismatch', [sub('numeric')], { allow: true })
  const ending = await s.expectEnding(await s.start('mismatch'), {
    state: 'failed',
    code: 'INVALID_ARGUMENTS',
  })
  expect(ending.message).toContain('input.account')
})

test('only a run of ours, at a step that says so, starts another one, and what it started stands', async () => {
  const run = await s.start('around')
  await parkedSubRun(run)
  const { database, organization, temporal: client } = s.world
  const delivery = await findDeliveryOfRun(database, { organization, runId: run.runId })
  const revision = delivery?.runs[0]?.revision ?? 0
  const origin = {
    deliveryId: delivery?.id ?? '',
    runId: run.runId,
    automation: 'around',
    revision,
    path: 'sub',
    writebackId: '',
  }
  const request = { organization, origin, automation: 'noting', input: { account: run.account } }
  const deps = { database, client, caller: run.workflowId }
  const again = await openSubRun(deps, request)
  expect(again.input).toEqual({ account: run.account })
  for (const [forged, code] of [
    [{ ...request, automation: 'around' }, 'UNKNOWN_ORIGIN'],
    [{ ...request, origin: { ...origin, path: 'end' } }, 'UNKNOWN_ORIGIN'],
    [{ ...request, origin: { ...origin, runId: 'run_of_nobody' } }, 'UNKNOWN_ORIGIN'],
    [{ ...request, organization: 'other' }, 'UNKNOWN_ORIGIN'],
    [{ ...request, input: { account: 'another' } }, 'IDEMPOTENCY_CONFLICT'],
  ] as const)
    await expect(openSubRun(deps, forged)).rejects.toMatchObject({ code })
  const elsewhere = { ...deps, caller: 'run/acme/around/mine' }
  await expect(openSubRun(elsewhere, request)).rejects.toMatchObject({ code: 'UNKNOWN_ORIGIN' })
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled' })
})

test('an automation that is paused is not started by another one either, and what it has begun goes on', async () => {
  const begun = await s.start('around')
  const inner = await parkedSubRun(begun)
  await s.world.admin.pauseAutomation({ name: 'noting', reason: 'being checked' })
  try {
    const refused = await s.start('around')
    await s.expectEnding(refused, { state: 'failed', code: 'AUTOMATION_PAUSED', notes: 0 })
    await s.lena.decideApproval({ ...about(inner.approval), verdict: 'approve' })
    await s.expectEnding(begun, { state: 'completed', notes: 1 })
  } finally {
    await s.world.admin.resumeAutomation({ name: 'noting' })
  }
})

test('the page of a run shows the run that it has started', async () => {
  const run = await s.start('around')
  const inner = await parkedSubRun(run)
  const { steps } = await s.world.admin.getRun({ run_id: run.runId })
  expect(steps.find(({ path }) => path === 'sub')?.attempts).toMatchObject([
    { kind: 'run', temporal_workflow_id: inner.workflowId },
  ])
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled' })
})
