/** Decisions that come as raw signals, as from the Temporal UI: what is signed counts, what is only said does not. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { MESSAGES, writebackWorkflowId } from '../../schemas/names.ts'
import { CHANGE, needs, ONE_LEAD } from '../support/automations.ts'
import { about, startScenario, type Person, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

interface ShownApproval {
  status: string
  refusals: { code: string }[]
}

const handleOf = (s: Scenario, workflowId: string) => s.world.temporal.workflow.getHandle(workflowId)

async function ticketOf(person: Person, approval: ApprovalView, verdict: 'approve' | 'reject' = 'approve') {
  return person.createTicket({ ...about(approval), verdict })
}

/** Codes of the messages that were refused, once there are as many as expected. */
async function refusals(s: Scenario, approval: ApprovalView, wanted: number): Promise<string[]> {
  const handle = handleOf(s, approval.temporal_workflow_id)
  return eventually(async () => {
    const shown = await handle.query<ShownApproval>(MESSAGES.getApprovalQuery)
    return shown.refusals.length >= wanted && shown.refusals.map(({ code }) => code)
  })
}

/** The markdown that the Temporal UI shows. */
async function detailsOf(s: Scenario, workflowId: string): Promise<string> {
  const shown = await handleOf(s, workflowId).query<{ currentDetails: string }>(
    '__temporal_workflow_metadata',
  )
  return shown.currentDetails
}

describe('where decisions are verified', () => {
  let s: Scenario
  beforeAll(async () => {
    s = await startScenario()
    await s.define('one', [CHANGE], ONE_LEAD)
    await s.define('two', [CHANGE], needs([{ roles: ['lead'], quorum: 2 }]))
  })
  afterAll(() => s.close())

  test('a signal with a ticket approves', async () => {
    const run = await s.park('one')
    const ticket = await ticketOf(s.lena, run.approval)
    expect(ticket.workflow_id).toBe(run.approval.temporal_workflow_id)
    await handleOf(s, ticket.workflow_id).signal(ticket.signal, ticket.input)
    await s.expectEnding(run, {
      state: 'completed',
      receipts: ['approve by lena@acme.example', 'outcome applied'],
      changes: 1,
    })
  })

  test('a ticket sent to the run, or to the writeback, is handed to the approval', async () => {
    const run = await s.park('two')
    const { organization, writeback_id: writebackId } = { organization: 'acme', ...run.approval }
    const first = await ticketOf(s.lena, run.approval)
    await handleOf(s, run.workflowId).signal(first.signal, first.input)
    const second = await ticketOf(s.max, run.approval)
    await handleOf(s, writebackWorkflowId({ organization, writebackId })).signal(second.signal, second.input)
    const ending = await s.expectEnding(run, { state: 'completed', changes: 1 })
    expect(ending.receipts.toSorted()).toEqual([
      'approve by lena@acme.example',
      'approve by max@acme.example',
      'outcome applied',
    ])
  })

  test('a signal that nobody knows, or that nothing waits for, is told on the page', async () => {
    const run = await s.park('one')
    const { organization, writeback_id: writebackId } = { organization: 'acme', ...run.approval }
    const writeback = writebackWorkflowId({ organization, writebackId })
    for (const id of [run.workflowId, writeback, run.approval.temporal_workflow_id]) {
      for (let i = 1; i <= 7; i++) await handleOf(s, id).signal(`aprove ${i} \`|\``, {})
      await eventually(async () => (await detailsOf(s, id)).includes('Messages that could not be used: 7'))
      const details = await detailsOf(s, id)
      expect(details).toContain("- there is no signal `aprove 7 '|'` here")
      expect(details).not.toContain('aprove 2')
    }
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, { state: 'completed', changes: 1 })
  })

  test('a bare name, another verdict and a changed ticket are refused, and the page says so', async () => {
    const run = await s.park('one')
    const handle = handleOf(s, run.approval.temporal_workflow_id)
    await handle.signal('approve', { by: 'lena@acme.example' })
    await handle.signal('approve', 'yes please')
    const rejecting = await ticketOf(s.lena, run.approval, 'reject')
    await handle.signal('approve', rejecting.input)
    const ticket = await ticketOf(s.lena, run.approval)
    const payload = Buffer.from(ticket.input.ticket.payload, 'base64').toString().replace('lena', 'max.')
    const changed = { ...ticket.input.ticket, payload: Buffer.from(payload).toString('base64') }
    await handle.signal('approve', { ticket: changed })
    expect(await refusals(s, run.approval, 4)).toEqual(Array(4).fill('UNVERIFIED'))
    expect(await detailsOf(s, run.approval.temporal_workflow_id)).toContain('`UNVERIFIED`')
    expect(await s.look(run)).toMatchObject({ state: 'waiting_for_approval', receipts: [], changes: 0 })
  })

  test('a ticket for another write is refused', async () => {
    const [one, other] = [await s.park('one'), await s.park('one')]
    const ticket = await ticketOf(s.lena, other.approval)
    await handleOf(s, one.approval.temporal_workflow_id).signal('approve', ticket.input)
    expect(await refusals(s, one.approval, 1)).toEqual(['STALE_DIGEST'])
  })

  test('the same ticket twice is one decision', async () => {
    const run = await s.park('two')
    const ticket = await ticketOf(s.lena, run.approval)
    const handle = handleOf(s, ticket.workflow_id)
    await handle.signal('approve', ticket.input)
    await handle.signal('approve', ticket.input)
    await s.expectEnding(run, { receipts: ['approve by lena@acme.example'], state: 'waiting_for_approval' })
    expect(await refusals(s, run.approval, 0)).toEqual([])
  })

  test('what waits is shown in words: for whom, what would change, and the command to decide', async () => {
    const run = await s.park('two')
    const details = await detailsOf(s, run.approval.temporal_workflow_id)
    expect(details).toContain('Waiting for 2 of 2 approvals from `lead`')
    expect(details).toContain('| `balance` | `100` | `7` |')
    expect(details).toContain(`countersign approve ${run.approval.approval_id} --ticket`)
    expect(details).not.toContain('at their word')
    expect(await detailsOf(s, run.workflowId)).toContain('Waits for `writeback/acme/')
  })
})

describe('where people are taken at their word', () => {
  let s: Scenario
  beforeAll(async () => {
    s = await startScenario({ identity: 'asserted' })
    await s.define('one', [CHANGE], ONE_LEAD)
    await s.define('strict', [CHANGE], needs([{ roles: ['lead'] }], { identity: 'verified' }))
  })
  afterAll(() => s.close())

  test('a bare name approves, and the receipt says that it was only said', async () => {
    const run = await s.park('one')
    const { digest, temporal_workflow_id: workflowId } = run.approval
    expect(await detailsOf(s, workflowId)).toContain(`"digest": "${digest}"`)
    await handleOf(s, workflowId).signal('approve', { by: 'lena@acme.example', digest })
    await s.expectEnding(run, { state: 'completed', changes: 1 })
    const [decision] = await s.statements(run)
    expect(decision?.predicate).toMatchObject({ method: 'asserted', channel: 'signal' })
  })

  test('a rule that wants verified decisions refuses a bare name and takes a ticket', async () => {
    const run = await s.park('strict')
    await handleOf(s, run.approval.temporal_workflow_id).signal('approve', { by: 'lena@acme.example' })
    expect(await refusals(s, run.approval, 1)).toEqual(['NOT_ELIGIBLE'])
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, { state: 'completed', changes: 1 })
    const [decision] = await s.statements(run)
    expect(decision?.predicate).toMatchObject({ method: 'api_key' })
  })
})
