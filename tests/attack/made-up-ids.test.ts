/**
 * The attacker can write to the Temporal namespace and makes up ids: of a write, so that one is made under a run that is
 * long over; of a workflow, so that what people say goes to one of his own; of an approval, so that a command that people
 * copy runs what he likes.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approvalWorkflowId, writebackIdOf, writebackWorkflowId } from '../../schemas/names.ts'
import type { ApprovalInput, Call } from '../../schemas/run.ts'
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import {
  approve,
  codeOf,
  CONNECTION,
  endingOf,
  endingOfAsking,
  finished,
  outcomeOf,
  startAttackWorld,
  startForeignWorker,
  type AttackWorld,
  type ForeignWorker,
  type Parked,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

/** Whose writes nobody has to approve. */
const ROUTINE = 'routine'

let attack: AttackWorld
let foreign: ForeignWorker

beforeAll(async () => {
  attack = await startAttackWorld()
  foreign = await startForeignWorker(attack.world)
  const update = {
    table: 'accounts',
    key: { id: '${{ input.account }}' },
    set: { amount: 7, note: 'by ${{ input.by }}, as ever' },
  }
  const writes = { connection: CONNECTION, update }
  const steps = [
    { name: 'change', writeback: writes },
    { name: 'rarely', if: 'input.by == "nobody"', writeback: writes },
  ]
  const rules = [{ name: 'routine-is-free', match: { automation: ROUTINE }, allow: true }]
  await attack.world.admin.applyManifests({
    manifests: [
      { kind: 'Policy', name: 'a-first', spec: { rules } },
      { kind: 'Automation', name: ROUTINE, spec: { steps } },
    ],
  })
})

afterAll(async () => {
  await foreign.close()
  await attack.close()
})

let accounts = 0

async function account(): Promise<string> {
  const id = `routine-${++accounts}`
  await attack.books.query(`insert into accounts (id, tenant, amount) values ($1, 'acme', 100)`, [id])
  return id
}

describe('under a run that is over,', () => {
  /** Over, with `change` made and `rarely` left out; and the call that it would have made there. */
  async function oldRun(): Promise<{ workflowId: string; call: Call; victim: string }> {
    const started = await attack.clerk.startRun({
      name: ROUTINE,
      input: { account: await account(), by: 'us' },
    })
    expect((await finished(attack.world, started.run_id)).state).toBe('completed')
    const victim = await account()
    const call: Call = {
      organization: 'acme',
      connection: CONNECTION,
      operation: 'update',
      arguments: {
        table: 'accounts',
        key: { id: victim },
        guard: {},
        set: { amount: 7, note: 'by us, as ever' },
      },
      raisedToWrite: true,
      timeoutMs: 10_000,
      origin: {
        deliveryId: started.delivery_id,
        runId: started.run_id,
        automation: ROUTINE,
        revision: 1,
        path: 'rarely',
        writebackId: writebackIdOf({ runId: started.run_id, path: 'rarely', round: 1 }),
      },
    }
    return { workflowId: started.temporal_workflow_id, call, victim }
  }

  const changed = (call: Call, set: object, origin: Partial<Call['origin']> = {}): Call => ({
    ...call,
    arguments: { ...call.arguments, set: { ...(call.arguments['set'] as object), ...set } },
    origin: { ...call.origin, ...origin },
  })

  test('no write is made that its steps do not make, and none under another id', async () => {
    const { workflowId, call, victim } = await oldRun()
    const { runId, path } = call.origin
    const idOf = (round: number, at = path) => writebackIdOf({ runId, path: at, round })
    const forged: [string, Call][] = [
      ['another literal', changed(call, { amount: 1_000_000 })],
      ['another text around an expression', changed(call, { note: 'by us, and never again' })],
      ['an argument that no step has', { ...call, arguments: { ...call.arguments, guard: { amount: 100 } } }],
      ['a made-up id', changed(call, {}, { writebackId: `wb_${randomBytes(8).toString('hex')}.rarely.1` })],
      ['a round that follows none', changed(call, {}, { writebackId: idOf(2) })],
      [
        'a round after one that was made',
        changed(call, {}, { path: 'change', writebackId: idOf(2, 'change') }),
      ],
      ['round 0', changed(call, {}, { writebackId: idOf(0) })],
    ]
    for (const [what, one] of forged) {
      expect(await codeOf(foreign.callAs(workflowId, 'perform', one)), what).toBe('UNKNOWN_ORIGIN')
      expect(await attack.amountOf({ account: victim }), what).toBe(100)
    }
  })

  test('none is made by a workflow that is neither the run nor its writeback', async () => {
    const { call, victim } = await oldRun()
    expect(await codeOf(foreign.callActivity('perform', call))).toBe('UNKNOWN_ORIGIN')
    const input = { call, searchAttributes: false }
    const started = await attack.world.temporal.workflow.start(WORKFLOW_TYPES.writeback, {
      workflowId: `writeback/acme/${randomBytes(4).toString('hex')}`,
      taskQueue: attack.world.taskQueue,
      args: [input],
    })
    expect(await codeOf(started.result())).toBe('UNKNOWN_ORIGIN')
    expect(await attack.amountOf({ account: victim })).toBe(100)
  })

  test('what its step writes, it writes once, however often it is asked', async () => {
    const { workflowId, call, victim } = await oldRun()
    const other = await account()
    expect(outcomeOf(await foreign.callAs(workflowId, 'perform', call)).status).toBe('applied')
    const elsewhere: Call = { ...call, arguments: { ...call.arguments, key: { id: other } } }
    const again = outcomeOf(await foreign.callAs(workflowId, 'perform', elsewhere))
    expect(again.writebackId).toBe(call.origin.writebackId)
    expect(await attack.amountOf({ account: victim })).toBe(7)
    expect(await attack.amountOf({ account: other })).toBe(100)
  })
})

describe('a rejection', () => {
  const reject = async ({ approval_id, digest }: Parked['approval']) =>
    (await attack.lead.decideApproval({ approval_id, digest, verdict: 'reject' })).state

  const swallowed = { accepted: true, state: 'rejected', message: 'rejected' }

  function opening({ approval }: Parked, approvalId: string, workflowId: string) {
    const { writeback_id: writebackId, digest } = approval
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const params = { organization: 'acme', approvalId, writebackId, digest, workflowId, expiresAt }
    return { taskQueue: attack.world.taskQueue, activity: 'openApproval', args: [params] }
  }

  async function swallow(workflowId: string, first: object) {
    return attack.world.temporal.workflow.start('swallow', {
      workflowId,
      taskQueue: foreign.taskQueue,
      args: [{ first, answers: swallowed }],
      workflowExecutionTimeout: '60s',
    })
  }

  test('does not go to a workflow that somebody names: it does not even stand in the inbox', async () => {
    const parked = await attack.park()
    const approvalId = `${parked.approval.writeback_id}/ask9`
    const workflowId = `hostile/${randomBytes(4).toString('hex')}`
    const handle = await swallow(workflowId, opening(parked, approvalId, workflowId))
    expect(await endingOfAsking(attack.world, handle, approvalId)).toBe('UNKNOWN_ORIGIN')
    expect(await reject(parked.approval)).toBe('rejected')
    expect(await endingOf(attack.world, parked.runId)).toBe('REJECTED')
  })

  test('that a workflow in the place of an approval swallows holds the write all the same', async () => {
    const parked = await attack.park()
    const max = await attack.world.as('max@acme.example', ['lead'])
    const approvalId = `${parked.approval.writeback_id}/ask9`
    const workflowId = approvalWorkflowId({ organization: 'acme', approvalId })
    await swallow(workflowId, opening(parked, approvalId, workflowId))
    const shown = await eventually(async () =>
      (await attack.lead.listApprovals({})).items.find((item) => item.approval_id === approvalId),
    )
    // It says `rejected`, and nobody has recorded it: so nobody is told that it is.
    expect(await reject(shown)).toBe('recorded')
    expect(await approve(max, parked.approval)).toBe('approved')
    expect(await endingOf(attack.world, parked.runId)).toBe('REJECTED')
    expect(await attack.amountOf(parked)).toBe(100)
    const { receipts } = await attack.world.admin.listReceipts({ run_id: parked.runId })
    const statements = receipts.map(
      ({ envelope }) =>
        JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8')) as {
          predicate: { verdict?: string; status?: string }
        },
    )
    expect(statements.map(({ predicate }) => predicate.verdict ?? predicate.status)).toEqual([
      'approve',
      'reject',
      'rejected',
    ])
  })
})

test('an approval with a command in its id is not shown to anybody', async () => {
  const parked = await attack.park()
  const { writeback_id: writebackId, digest } = parked.approval
  const asked = { digest, rule: 'books/a-lead-agrees', expiresAfterMs: 60_000 }
  for (const approvalId of [
    `${writebackId}'; touch pwned; '`,
    `${writebackId}/ask1`,
    `${writebackId}/ask11`,
    'x',
  ]) {
    const input: ApprovalInput = { organization: 'acme', approvalId, writebackId, asked, kept: [] }
    const handle = await attack.world.temporal.workflow.start(WORKFLOW_TYPES.approval, {
      workflowId: approvalWorkflowId({ organization: 'acme', approvalId }),
      taskQueue: attack.world.taskQueue,
      args: [input],
      workflowExecutionTimeout: '40s',
    })
    expect(await endingOfAsking(attack.world, handle, approvalId), approvalId).toBe('UNKNOWN_ORIGIN')
  }
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  expect(await endingOf(attack.world, parked.runId)).toBe('completed')
})

test('a resolution that a workflow in the place of a writeback swallows is recorded all the same', async () => {
  const started = await attack.clerk.startRun({
    name: ROUTINE,
    input: { account: await account(), by: 'us' },
  })
  const { writebacks } = await finished(attack.world, started.run_id)
  const writebackId = writebacks[0]?.writeback_id ?? ''
  // As the reconciler leaves a row whose answer was lost.
  await attack.world.database.query(
    `update writebacks set state = 'unknown', outcome = outcome || '{"status": "unknown"}' where writeback_id = $1`,
    [writebackId],
  )
  const olga = await attack.world.as('olga@acme.example', ['operator'])
  const answers = { accepted: true, outcome: { status: 'applied' }, message: 'applied' }
  await attack.world.temporal.workflow.start('swallow', {
    workflowId: writebackWorkflowId({ organization: 'acme', writebackId }),
    taskQueue: foreign.taskQueue,
    args: [{ answers }],
    workflowExecutionTimeout: '60s',
  })
  const body = { writeback_id: writebackId, resolution: 'not_applied', comment: '' } as const
  expect(await olga.resolveWriteback(body)).toMatchObject({ state: 'failed' })
  const { rows } = await attack.world.database.query('select state from writebacks where writeback_id = $1', [
    writebackId,
  ])
  expect(rows).toEqual([{ state: 'failed' }])
})
