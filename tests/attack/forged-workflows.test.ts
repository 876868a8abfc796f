/**
 * The attacker can write to the Temporal namespace and runs a worker of his own there: he starts our workflows with
 * input that he made up, workflows of his own under our names, and calls our activities on our task queue. He reads all
 * histories, so he knows every call, digest and id. He has no key of a door and no access to the database.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadSigningKey } from '../../lib/keys.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { ApprovalInput, Call, PerformResult } from '../../schemas/run.ts'
import { WORKFLOW_TYPES, writebackIdOf } from '../../schemas/names.ts'
import {
  approvalWorkflowId,
  approve,
  codeOf,
  CONNECTION,
  endingOfAsking,
  finished,
  forgedTicket,
  outcomeOf,
  startAttackWorld,
  startForeignWorker,
  startWriteback,
  ticketOf,
  writebackWorkflowId,
  type AttackWorld,
  type ForeignWorker,
  type OldRun,
  type Parked,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

let attack: AttackWorld
let foreign: ForeignWorker

beforeAll(async () => {
  attack = await startAttackWorld()
  foreign = await startForeignWorker(attack.world)
})

afterAll(async () => {
  await foreign.close()
  await attack.close()
})

/** As the run itself would, whose execution is over. */
const perform = ({ callerId }: Pick<OldRun, 'callerId'>, call: Call, decisions: unknown[] = []) =>
  foreign.callAs(callerId, 'perform', call, decisions)

/** It ends by itself, so that a test that waits for its end learns that it would not have. */
function start(type: string, workflowId: string, input: unknown, taskQueue = attack.world.taskQueue) {
  return attack.world.temporal.workflow.start(type, {
    workflowId,
    taskQueue,
    args: [input],
    workflowExecutionTimeout: '40s',
    // In the place of one that runs, at once: nobody sees a moment without.
    workflowIdConflictPolicy: 'TERMINATE_EXISTING',
  })
}

function madeUp(call: Call, changes: Partial<Call>, origin: Partial<Call['origin']> = {}): Call {
  return { ...call, ...changes, origin: { ...call.origin, ...origin } }
}

function withSet(call: Call, set: JsonObject): Call {
  return { ...call, arguments: { ...call.arguments, set } }
}

async function expectOnlyTheLeadCounts(parked: Parked): Promise<void> {
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  // In the place of a run that is over, the attacker's own workflow has ended last.
  if (!parked.callerId) expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  await eventually(async () => (await attack.amountOf(parked)) !== 100)
  expect(await attack.amountOf(parked)).toBe(7)
}

describe('the door, called past the workflows,', () => {
  test('asks for approval when it is handed forged decisions, and writes when they are real', async () => {
    const parked = await attack.parkLate()
    const { approval, call } = parked
    const workerKey = loadSigningKey(attack.world.keysFolder, 'receipt')
    const forged = [
      forgedTicket(approval, workerKey),
      forgedTicket(approval, {
        ...workerKey,
        keyId: loadSigningKey(attack.world.keysFolder, 'decision').keyId,
      }),
      await ticketOf(attack.clerk, approval),
      { state: 'approved' },
    ]
    for (const decisions of [[], forged.slice(0, 3)]) {
      expect(await perform(parked, call, decisions)).toMatchObject({ kind: 'needs_approval' })
    }
    await codeOf(perform(parked, call, forged))
    expect(await attack.amountOf(parked)).toBe(100)
    const real = [await ticketOf(attack.lead, approval)]
    expect(outcomeOf(await perform(parked, call, real)).status).toBe('applied')
    expect(await attack.amountOf(parked)).toBe(7)
  })

  test('refuses what differs from what people see', async () => {
    const parked = await attack.parkLate()
    const { approval, call } = parked
    const real = [await ticketOf(attack.lead, approval)]
    const other = await attack.oldRun()
    const id = { writebackId: call.origin.writebackId }
    const changed: [string, OldRun, Call, string][] = [
      [
        'another amount',
        parked,
        madeUp(call, { arguments: { ...call.arguments, set: { amount: 1_000_000 } } }),
        'WRITE_NOT_AUTHORISED',
      ],
      [
        'another row',
        parked,
        madeUp(call, { arguments: { ...call.arguments, key: { id: other.account } } }),
        'WRITE_NOT_AUTHORISED',
      ],
      ['a name more', parked, withSet(call, { amount: 7, note: 'x' }), 'UNKNOWN_ORIGIN'],
      ['under the id of another write', other, madeUp(other.call, {}, id), 'UNKNOWN_ORIGIN'],
    ]
    for (const [what, from, forged, code] of changed) {
      expect(await codeOf(perform(from, forged, real)), what).toBe(code)
    }
    expect(await attack.amountOf(other)).toBe(100)
    await expectOnlyTheLeadCounts(parked)
  })

  test('refuses a write that none of our deliveries started', async () => {
    const old = await attack.oldRun()
    const other = await attack.park()
    const { call } = old
    const from = (changes: Partial<Call['origin']>): Call => {
      const origin = { ...call.origin, ...changes }
      return { ...call, origin: { ...origin, writebackId: writebackIdOf({ ...origin, round: 1 }) } }
    }
    const origins: [string, Call][] = [
      ['no such delivery', from({ deliveryId: 'dlv_made_up' })],
      ['no such run', from({ runId: 'run_made_up' })],
      ['run of another delivery', from({ deliveryId: other.deliveryId })],
      ['another revision', from({ revision: 99 })],
      ['another automation', from({ automation: 'harmless' })],
      ['no such step', from({ path: 'cleanup' })],
    ]
    for (const [what, forged] of origins) {
      expect(await codeOf(perform(old, forged)), what).toBe('UNKNOWN_ORIGIN')
    }
    expect(await codeOf(perform(old, madeUp(call, { organization: 'umbrella' })))).toBe(
      'CONNECTION_NOT_FOUND',
    )
    // The same call with its true origin is a write that people are asked about.
    expect(await perform(old, call)).toMatchObject({ kind: 'needs_approval' })
    expect(await attack.amountOf(old)).toBe(100)
    await expectOnlyTheLeadCounts(other)
  })

  test('refuses a statement on another table, column or tenant', async () => {
    const parked = await attack.park()
    const old = await attack.oldRun()
    const { call } = old
    await attack.books.query(`insert into accounts (id, tenant, amount) values ('theirs', 'umbrella', 5)
      on conflict do nothing`)
    const set = { amount: 0 }
    const statements: [string, Call['arguments'], string][] = [
      [
        'another table',
        { table: 'countersign_receipts', key: { id: 'x' }, guard: {}, set },
        'INVALID_ARGUMENTS',
      ],
      ['another column', { ...call.arguments, set: { tenant: 'acme' } }, 'INVALID_ARGUMENTS'],
      [
        'the tenant in the key',
        { ...call.arguments, key: { id: 'theirs', tenant: 'umbrella' } },
        'INVALID_ARGUMENTS',
      ],
      ['a row of another tenant', { ...call.arguments, key: { id: 'theirs' } }, 'WRITE_CONFLICT'],
      ['a statement as a name', { ...call.arguments, set: { 'amount = 0; --': 1 } }, 'INVALID_ARGUMENTS'],
    ]
    for (const [what, args, code] of statements) {
      expect(await codeOf(perform(old, madeUp(call, { arguments: args }))), what).toBe(code)
    }
    const { rows } = await attack.books.query(`select amount from accounts where id = 'theirs'`)
    expect(rows).toEqual([{ amount: 5 }])
    await expectOnlyTheLeadCounts(parked)
  })

  test('sends nothing to a frozen connection, approved as it is', async () => {
    const parked = await attack.parkLate()
    const real = [await ticketOf(attack.lead, parked.approval)]
    await attack.world.admin.freezeConnection({ name: CONNECTION, reason: 'wrong amounts' })
    try {
      expect(await codeOf(perform(parked, parked.call, real))).toBe('CONNECTION_FROZEN')
      expect(await attack.amountOf(parked)).toBe(100)
    } finally {
      await attack.world.admin.thawConnection({ name: CONNECTION })
    }
    await expectOnlyTheLeadCounts(parked)
  })

  test('records no decision that no door has signed', async () => {
    const parked = await attack.park()
    const { approval } = parked
    const key = loadSigningKey(attack.world.keysFolder, 'receipt')
    const params = {
      organization: 'acme',
      approvalId: approval.approval_id,
      writebackId: approval.writeback_id,
      votes: [],
      state: 'approved',
    }
    const record = (envelope: unknown) => foreign.callActivity('recordDecision', { ...params, envelope })
    expect(await codeOf(record(forgedTicket(approval, key)))).toBe('UNVERIFIED')
    const other = await attack.park()
    expect(await codeOf(record(await ticketOf(attack.lead, other.approval)))).toBe('UNVERIFIED')
    const { rows } = await attack.world.database.query('select from decisions where writeback_id = $1', [
      approval.writeback_id,
    ])
    expect(rows).toHaveLength(0)
    await expectOnlyTheLeadCounts(parked)
  })
})

describe('the record of decisions, called past the workflows,', () => {
  const recordOf = (approval: Parked['approval']) => {
    const { approval_id: approvalId, writeback_id: writebackId } = approval
    const params = { organization: 'acme', approvalId, writebackId, votes: [], state: 'approved' }
    return (envelope: unknown, changes: object = {}) =>
      foreign.callActivity('recordDecision', { ...params, envelope, ...changes })
  }

  async function shown({ approval }: Parked) {
    const { rows } = await attack.world.database.query<{ state: string; votes: number; receipts: number }>(
      `select state, jsonb_array_length(votes) as votes,
         (select count(*)::integer from receipts r where r.run_id = a.run_id) as receipts
       from approvals a where approval_id = $1`,
      [approval.approval_id],
    )
    return rows[0]
  }

  test('signs no receipt of the clerk’s own ticket, which never counted', async () => {
    const parked = await attack.park()
    const record = recordOf(parked.approval)
    const own = await ticketOf(attack.clerk, parked.approval)
    expect(await codeOf(record(own))).toBe('SELF_APPROVAL')
    const stranger = await attack.world.as('nora@acme.example', [])
    expect(await codeOf(record(await ticketOf(stranger, parked.approval)))).toBe('NOT_ELIGIBLE')
    expect(await shown(parked)).toEqual({ state: 'waiting', votes: 0, receipts: 0 })
    await expectOnlyTheLeadCounts(parked)
  })

  test('signs none under another approval, nor about another digest', async () => {
    const [parked, other] = [await attack.park(), await attack.park()]
    const record = recordOf(parked.approval)
    const real = await ticketOf(attack.lead, parked.approval)
    const { approval_id: approvalId } = other.approval
    expect(await codeOf(record(real, { approvalId }))).toBe('UNVERIFIED')
    expect(await codeOf(record(real, { approvalId: 'made_up' }))).toBe('NOT_FOUND')
    const doorKey = loadSigningKey(attack.world.keysFolder, 'decision')
    const stale = forgedTicket(parked.approval, doorKey, { digest: 'd'.repeat(64) })
    expect(await codeOf(record(stale))).toBe('STALE_DIGEST')
    for (const each of [parked, other]) {
      expect(await shown(each)).toEqual({ state: 'waiting', votes: 0, receipts: 0 })
      await expectOnlyTheLeadCounts(each)
    }
  })

  test('shows what follows from the decisions, and not what it is told', async () => {
    const parked = await attack.park()
    const real = await ticketOf(attack.lead, parked.approval)
    const votes = [{ decisionId: 'dec_made_up', principal: 'max@acme.example', verdict: 'reject' }]
    await recordOf(parked.approval)(real, { votes, state: 'rejected' })
    expect(await shown(parked)).toEqual({ state: 'approved', votes: 1, receipts: 1 })
  })
})

describe('a workflow that the attacker starts', () => {
  test('as a writeback with a made-up call asks the same people', async () => {
    const parked = await attack.park()
    const { call, runId } = await attack.oldRun()
    const { writebackId } = call.origin
    await startWriteback(attack.world, withSet(call, { amount: 1_000_000 }))
    const approval = await eventually(async () =>
      (await attack.lead.listApprovals({})).items.find((item) => item.writeback_id === writebackId),
    )
    // Whoever looks sees the made-up amount, and under which run it sails.
    expect(approval.preview.changes).toEqual([{ field: 'amount', before: 100, after: 1_000_000 }])
    expect(approval.run_id).toBe(runId)
    expect(approval.digest).not.toBe(parked.approval.digest)
    await attack.lead.decideApproval({
      approval_id: approval.approval_id,
      verdict: 'reject',
      digest: approval.digest,
    })
    await expectOnlyTheLeadCounts(parked)
  })

  test('as an approval cannot lower what is asked, nor show other people something else', async () => {
    const parked = await attack.park()
    const { approval } = parked
    const approvalId = `${approval.writeback_id}/ask9`
    const anybody = {
      policy: 'made-up',
      rule: 'anybody',
      stages: [{ roles: [], people: ['carl@acme.example'], quorum: 1 }],
      anyRejectEnds: true,
      selfApproval: true,
      identity: 'any',
      expiresAfterMs: 60_000,
      validForMs: 60_000,
    }
    const input = {
      organization: 'acme',
      approvalId,
      writebackId: approval.writeback_id,
      asked: { digest: approval.digest, rule: 'made-up/anybody', expiresAfterMs: 60_000 },
      kept: [],
      // What an earlier form of the input carried: nothing may look at it.
      pending: { requirement: anybody, requester: { principal: 'x', kind: 'service', onBehalfOf: [] } },
    } as unknown as ApprovalInput
    await start(WORKFLOW_TYPES.approval, approvalWorkflowId({ organization: 'acme', approvalId }), input)
    const shown = await eventually(async () =>
      (await attack.lead.listApprovals({})).items.find((item) => item.approval_id === approvalId),
    )
    expect(shown.requirement).toEqual(approval.requirement)
    expect(shown.requester).toEqual(approval.requester)
    expect(await codeOf(approve(attack.clerk, shown))).toBe('SELF_APPROVAL')
    await expectOnlyTheLeadCounts(parked)
  })

  test('as an approval of something that was never planned ends', async () => {
    const parked = await attack.park()
    const { approval } = parked
    for (const [writebackId, code] of [
      [approval.writeback_id, 'UNKNOWN_ORIGIN'],
      ['wb_made.up.1', 'NOT_FOUND'],
    ] as const) {
      const input = {
        organization: 'acme',
        approvalId: `${writebackId}/ask8`,
        writebackId,
        asked: { digest: 'c'.repeat(64), rule: 'made-up/anybody', expiresAfterMs: 60_000 },
        kept: [],
      }
      const workflowId = approvalWorkflowId({ organization: 'acme', approvalId: input.approvalId })
      const handle = await start(WORKFLOW_TYPES.approval, workflowId, input)
      expect(await endingOfAsking(attack.world, handle, input.approvalId)).toBe(code)
    }
    await expectOnlyTheLeadCounts(parked)
  })

  /** Under the id that the approval would have, so that the writeback takes it for its own. */
  test('under the name and the id of an approval is believed by the workflow and not by the door', async () => {
    const parked = await attack.oldRun()
    const { approval } = await attack.park()
    const { call } = parked
    const { writebackId } = call.origin
    const workerKey = loadSigningKey(attack.world.keysFolder, 'receipt')
    // The door tells anybody the digest that his forgery has to name.
    const planned = (await perform(parked, call)) as PerformResult
    if (planned.kind !== 'needs_approval') throw new Error('it should have to be approved')
    const forged = { ...approval, writeback_id: writebackId, digest: planned.asked.digest }
    const decisions = [forgedTicket(forged, workerKey), await ticketOf(attack.lead, approval)]
    const said = { state: 'approved', decisions, reason: '' }
    const fakeId = approvalWorkflowId({ organization: 'acme', approvalId: writebackId })
    await (await start(WORKFLOW_TYPES.approval, fakeId, said, foreign.taskQueue)).result()
    const writebackWorkflow = await startWriteback(attack.world, call)
    // The door did not take the forged word: people are asked again, by a real approval.
    const asked = await eventually(async () => {
      expect(await attack.amountOf(parked)).toBe(100)
      const { items } = await attack.lead.listApprovals({})
      return items.find((item) => item.approval_id === `${writebackId}/ask2`)
    })
    expect(await approve(attack.lead, asked)).toBe('approved')
    expect(await writebackWorkflow.result()).toMatchObject({ status: 'applied' })
    expect(await attack.amountOf(parked)).toBe(7)
  })

  test('in the place of a writeback can lie about it, and nothing is written', async () => {
    const parked = await attack.park()
    const { writeback_id: writebackId } = parked.approval
    const lie = {
      kind: 'write',
      status: 'applied',
      writebackId,
      output: {},
      receipt: { id: 'rcp_x', seq: 1, sha256: 'x' },
    }
    const workflowId = writebackWorkflowId({ organization: 'acme', writebackId })
    await (await start(WORKFLOW_TYPES.writeback, workflowId, lie, foreign.taskQueue)).result()
    expect((await finished(attack.world, parked.runId)).state).toBe('failed')
    expect(await attack.amountOf(parked)).toBe(100)
    const run = await attack.world.admin.getRun({ run_id: parked.runId })
    expect(run.writebacks.map(({ state }) => state)).toEqual(['withdrawn'])
    expect(run.receipts).toHaveLength(1)
  })
})

describe('the control', () => {
  // What the tests above change one thing of: untouched, the same steps do write.
  test('the door writes with the decision of a lead, once, whoever calls it', async () => {
    const parked = await attack.parkLate()
    const real = [await ticketOf(attack.lead, parked.approval)]
    const results: PerformResult[] = []
    for (let i = 0; i < 3; i++) results.push((await perform(parked, parked.call, real)) as PerformResult)
    expect(new Set(results.map((result) => outcomeOf(result).receipt.id)).size).toBe(1)
    expect(await attack.amountOf(parked)).toBe(7)
    const { rows } = await attack.books.query('select version from accounts where id = $1', [parked.account])
    expect(rows).toEqual([{ version: 2 }])
  })
})
