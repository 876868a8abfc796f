/**
 * The attacker can write to the tables of decisions, approvals and writebacks (he has found an injection, or a backup
 * was restored over them). He has no key of a door. Whoever may rewrite policies and roles decides who approves, so
 * those tables are not part of the promise; the revision that a run is pinned to is.
 */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadSigningKey } from '../../lib/keys.ts'
import type { Envelope } from '../../schemas/run.ts'
import {
  approve,
  callOf,
  endingOf,
  finished,
  forgedTicket,
  outcomeOf,
  refusals,
  signal,
  startAttackWorld,
  startForeignWorker,
  ticketOf,
  codeOf,
  type AttackWorld,
  type ForeignWorker,
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

const sql = (statement: string, values: unknown[]) => attack.world.database.query(statement, values)

/** As the attacker lets the write go on: past the approval, with nothing in his hands. */
async function perform(parked: Parked, decisions: Envelope[] = []) {
  const { callerId = `hostile/${randomBytes(8).toString('hex')}` } = parked
  return foreign.callAs(callerId, 'perform', await callOf(attack.world, parked.approval), decisions)
}

async function expectLeadStillDecides(parked: Parked): Promise<void> {
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  // In the place of a run that is over, the attacker's own workflow has ended last.
  if (!parked.callerId) expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  await eventually(async () => (await attack.amountOf(parked)) !== 100)
  expect(await attack.amountOf(parked)).toBe(7)
}

describe('a row of approvals that says approved', () => {
  test('lets nothing happen', async () => {
    const parked = await attack.parkLate()
    await sql(
      `update approvals set state = 'approved', closed_at = now(),
      votes = '[{"principal":"lena@acme.example","verdict":"approve"}]' where approval_id = $1`,
      [parked.approval.approval_id],
    )
    await signal(attack.world, parked.approval, { by: 'lena@acme.example' })
    expect(await refusals(attack.world, parked.approval)).toEqual(['UNVERIFIED'])
    expect(await perform(parked)).toMatchObject({ kind: 'needs_approval' })
    expect(await attack.amountOf(parked)).toBe(100)
    // The inbox is a projection: with it as it was, the lead decides as ever.
    await sql(
      `update approvals set state = 'waiting', votes = '[]', closed_at = null where approval_id = $1`,
      [parked.approval.approval_id],
    )
    await expectLeadStillDecides(parked)
  })

  test('with another digest or rule shows people something else, and what they sign then does not count', async () => {
    const parked = await attack.park()
    const digest = 'd'.repeat(64)
    await sql('update approvals set digest = $2 where approval_id = $1', [
      parked.approval.approval_id,
      digest,
    ])
    expect(await codeOf(approve(attack.lead, { ...parked.approval, digest }))).toBe('STALE_DIGEST')
    await sql('update approvals set digest = $2 where approval_id = $1', [
      parked.approval.approval_id,
      parked.approval.digest,
    ])
    await expectLeadStillDecides(parked)
  })
})

describe('a preview that shows people something harmless', () => {
  const harmless = `jsonb_set(preview, '{changes,0,after}', '99')`

  test.each([
    ['in the inbox', [`update approvals set preview = ${harmless} where writeback_id = $1`]],
    [
      'in the inbox and in the ledger',
      [
        `update approvals set preview = ${harmless} where writeback_id = $1`,
        `update writebacks set preview = ${harmless} where writeback_id = $1`,
      ],
    ],
  ])('%s is not signed by anybody', async (_where, statements) => {
    const parked = await attack.park()
    for (const statement of statements) await sql(statement, [parked.approval.writeback_id])
    expect(await codeOf(approve(attack.lead, parked.approval))).toBe('STALE_DIGEST')
    expect(await attack.amountOf(parked)).toBe(100)
    const back = (table: string) =>
      sql(`update ${table} set preview = $2::jsonb where writeback_id = $1`, [
        parked.approval.writeback_id,
        JSON.stringify(parked.approval.preview),
      ])
    await Promise.all([back('approvals'), back('writebacks')])
    await expectLeadStillDecides(parked)
  })
})

describe('a forged row of decisions', () => {
  test('is no decision', async () => {
    const parked = await attack.parkLate()
    const key = loadSigningKey(attack.world.keysFolder, 'receipt')
    const envelopes = [forgedTicket(parked.approval, key), { payloadType: 'x', payload: '', signatures: [] }]
    for (const envelope of envelopes) {
      await sql(
        `insert into decisions (decision_id, organization, writeback_id, principal, verdict, envelope)
         values ($1, 'acme', $2, 'lena@acme.example', 'approve', $3)`,
        [`dec_${randomBytes(16).toString('hex')}`, parked.approval.writeback_id, envelope],
      )
    }
    expect(await perform(parked)).toMatchObject({ kind: 'needs_approval', kept: [] })
    await expectLeadStillDecides(parked)
  })

  // A real decision about another write, put under this one.
  test('that was genuine somewhere else is none here', async () => {
    const [parked, other] = [await attack.parkLate(), await attack.park()]
    await approve(attack.lead, other.approval)
    await finished(attack.world, other.runId)
    await sql('alter table decisions disable trigger keep_recorded_decisions', [])
    await sql('update decisions set writeback_id = $2 where writeback_id = $1', [
      other.approval.writeback_id,
      parked.approval.writeback_id,
    ])
    expect(await perform(parked)).toMatchObject({ kind: 'needs_approval', kept: [] })
    await expectLeadStillDecides(parked)
  })
})

describe('a row of the ledger', () => {
  test('that says that it is being sent, and long overdue, is not sent', async () => {
    const parked = await attack.parkLate()
    await sql(
      `update writebacks set state = 'sending', attempt = 1, deadline_at = now() - interval '1 hour',
         updated_at = now() - interval '2 hours' where writeback_id = $1`,
      [parked.approval.writeback_id],
    )
    // The target has no receipt of it, so it is planned as before, and waits for people as before.
    expect(await perform(parked)).toMatchObject({ kind: 'needs_approval' })
    expect(await attack.amountOf(parked)).toBe(100)
    await expectLeadStillDecides(parked)
  })

  test('that says that it is being sent is left alone until its deadline', async () => {
    const parked = await attack.parkLate()
    await sql(
      `update writebacks set state = 'sending', attempt = 1, deadline_at = now() + interval '1 hour' where writeback_id = $1`,
      [parked.approval.writeback_id],
    )
    expect(await codeOf(perform(parked))).toBe('WRITE_IN_PROGRESS')
    await sql(
      `update writebacks set state = 'planned', attempt = 0, deadline_at = null where writeback_id = $1`,
      [parked.approval.writeback_id],
    )
    await expectLeadStillDecides(parked)
  })

  test.each([
    ['digest', `digest = repeat('e', 64)`],
    ['preconditions', `plan = jsonb_set(plan, '{preconditions}', '{}')`],
    ['preview', `preview = jsonb_set(preview, '{changes,0,after}', '1')`],
    ['target in the preview', `preview = jsonb_set(preview, '{target}', '"books/accounts/id=other"')`],
    ['run', `run_id = 'run_of_somebody_else'`],
    ['automation', `automation = 'harmless'`],
    ['key', `idempotency_key = 'csk_' || md5(random()::text)`],
    ['requester', `requester = jsonb_set(requester, '{principal}', '"ghost"')`],
  ])('with a changed %s is not written, even when a lead approves what waits', async (_what, change) => {
    const parked = await attack.park()
    // Signed before the row was changed: afterwards the API would refuse to sign.
    const ticket = await ticketOf(attack.lead, parked.approval)
    await sql(`update writebacks set ${change} where writeback_id = $1`, [parked.approval.writeback_id])
    await signal(attack.world, parked.approval, { ticket })
    expect(await endingOf(attack.world, parked.runId)).toBe('WRITE_NOT_AUTHORISED')
    expect(await attack.amountOf(parked)).toBe(100)
  })

  // The arguments of a stored plan are for people: what is written follows from the call that the digest covers.
  test.each([
    ['amount', `jsonb_set(plan, '{arguments,set,amount}', '1000000')`],
    ['row', `jsonb_set(plan, '{arguments,key,id}', '"account-1"')`],
  ])('with another %s in its plan changes nothing of what is written', async (_what, plan) => {
    const parked = await attack.park()
    const before = await attack.amountOf({ account: 'account-1' })
    const ticket = await ticketOf(attack.lead, parked.approval)
    await sql(`update writebacks set plan = ${plan} where writeback_id = $1`, [parked.approval.writeback_id])
    expect(await codeOf(approve(attack.lead, parked.approval))).toBe('STALE_DIGEST')
    await signal(attack.world, parked.approval, { ticket })
    expect((await finished(attack.world, parked.runId)).state).toBe('completed')
    expect(await attack.amountOf(parked)).toBe(7)
    expect(await attack.amountOf({ account: 'account-1' })).toBe(before)
  })

  test('with a lower requirement is measured by today’s policy', async () => {
    const parked = await attack.parkLate()
    await sql(
      `update writebacks set requirement = jsonb_set(jsonb_set(requirement, '{selfApproval}', 'true'), '{stages}',
         '[{"roles": [], "people": ["carl@acme.example"], "quorum": 1}]') where writeback_id = $1`,
      [parked.approval.writeback_id],
    )
    const own = await ticketOf(attack.clerk, parked.approval)
    expect(await perform(parked, [own])).toMatchObject({
      kind: 'needs_approval',
      asked: { digest: parked.approval.digest },
    })
    const { rows } = await attack.world.database.query<{ stages: unknown }>(
      `select requirement -> 'stages' as stages from writebacks where writeback_id = $1`,
      [parked.approval.writeback_id],
    )
    expect(rows).toEqual([{ stages: [{ roles: ['lead'], people: [], quorum: 1 }] }])
    await expectLeadStillDecides(parked)
  })

  test('whose requester was changed does not let the requester approve', async () => {
    const parked = await attack.parkLate()
    await attack.world.as('carl@acme.example', ['lead'])
    try {
      const ticket = await ticketOf(attack.clerk, parked.approval)
      await sql(
        `update writebacks set requester = jsonb_set(requester, '{principal}', '"ghost"') where writeback_id = $1`,
        [parked.approval.writeback_id],
      )
      expect(await codeOf(perform(parked, [ticket]))).toBe('WRITE_NOT_AUTHORISED')
      expect(await attack.amountOf(parked)).toBe(100)
    } finally {
      await attack.world.as('carl@acme.example', [])
    }
  })

  describe('that says how it has ended', () => {
    const MADE_UP = { id: 'rcp_made_up', seq: 1, sha256: 'f'.repeat(64) }

    async function flip(parked: Parked, status: string, receipt: unknown): Promise<void> {
      const writebackId = parked.approval.writeback_id
      const outcome = { kind: 'write', status, writebackId, output: { id: parked.account }, receipt }
      await sql(
        `update writebacks set state = $3, outcome = $2, deadline_at = null where writeback_id = $1`,
        [writebackId, outcome, status],
      )
    }

    const abandon = ({ approval: { writeback_id: writebackId } }: Parked) =>
      foreign.callActivity('abandonWriteback', { organization: 'acme', writebackId, because: 'withdrawn' })

    test('is not believed without a receipt', async () => {
      const parked = await attack.park()
      await flip(parked, 'applied', MADE_UP)
      expect(await codeOf(perform(parked))).toBe('OUTCOME_NOT_PROVEN')
      expect(await codeOf(abandon(parked))).toBe('OUTCOME_NOT_PROVEN')
      expect(await attack.amountOf(parked)).toBe(100)
      // The run does not believe it either: it ends, and does not say that anything was written.
      await approve(attack.lead, parked.approval)
      const run = await finished(attack.world, parked.runId)
      expect(run).toMatchObject({ state: 'failed', failure: { code: 'OUTCOME_NOT_PROVEN' } })
      // That of the decision.
      expect(run.receipts).toHaveLength(1)
      expect(await attack.amountOf(parked)).toBe(100)
    })

    test('is not believed with another output than the receipt has seen', async () => {
      const parked = await attack.park()
      await approve(attack.lead, parked.approval)
      await finished(attack.world, parked.runId)
      const call = await callOf(attack.world, parked.approval)
      expect(outcomeOf(await foreign.callActivity('perform', call, []))).toMatchObject({ status: 'applied' })
      await sql(
        `update writebacks set outcome = jsonb_set(outcome, '{output,amount}', '"1000000"') where writeback_id = $1`,
        [parked.approval.writeback_id],
      )
      expect(await codeOf(foreign.callActivity('perform', call, []))).toBe('OUTCOME_NOT_PROVEN')
    })

    test('is not believed with the receipt of another write, nor with one that says something else', async () => {
      const [parked, other] = [await attack.park(), await attack.park()]
      await approve(attack.lead, other.approval)
      await finished(attack.world, other.runId)
      const call = await callOf(attack.world, other.approval)
      const { receipt, ...rest } = outcomeOf(await foreign.callActivity('perform', call, []))
      expect(rest).toMatchObject({ status: 'applied' })
      await flip(other, 'rejected', receipt)
      expect(await codeOf(foreign.callActivity('perform', call, []))).toBe('OUTCOME_NOT_PROVEN')
      await sql(`update receipts set subject = $2 where subject = $1 and kind = 'outcome'`, [
        other.approval.writeback_id,
        parked.approval.writeback_id,
      ])
      await flip(parked, 'applied', receipt)
      expect(await codeOf(perform(parked))).toBe('OUTCOME_NOT_PROVEN')
      expect(await attack.amountOf(parked)).toBe(100)
    })
  })
})

describe('the revision that the run is pinned to', () => {
  test('changed under it makes the write one of no known origin', async () => {
    const parked = await attack.park()
    const changed = await sql(
      `update revisions set body = jsonb_set(body, '{spec,steps,0,writeback,connection}', '"elsewhere"')
       where kind = 'Automation' and name = 'adjust' returning number`,
      [],
    )
    expect(changed.rowCount).toBe(1)
    try {
      await approve(attack.lead, parked.approval)
      expect(await endingOf(attack.world, parked.runId)).toBe('UNKNOWN_ORIGIN')
      expect(await attack.amountOf(parked)).toBe(100)
    } finally {
      await sql(
        `update revisions set body = jsonb_set(body, '{spec,steps,0,writeback,connection}', '"books"')
         where kind = 'Automation' and name = 'adjust'`,
        [],
      )
    }
    await expectLeadStillDecides(await attack.park())
  })
})

test('receipts that were changed, cut or left out do not verify', async () => {
  const parked = await attack.park()
  await approve(attack.lead, parked.approval)
  await finished(attack.world, parked.runId)
  const { receipts, head } = await attack.world.admin.listReceipts({ run_id: parked.runId })
  expect(receipts).toHaveLength(2)
  const { verifyReceipts } = await import('../../lib/receipts.ts')
  const { loadTrustedKeys, publicKeysFile } = await import('../../lib/keys.ts')
  const keys = loadTrustedKeys(publicKeysFile(attack.world.keysFolder))
  const envelopes = receipts.map(({ envelope }) => envelope)
  expect(verifyReceipts(envelopes, keys, head ?? undefined).problems).toEqual([])
  const [first, second] = envelopes
  if (!first || !second) throw new Error('two receipts')
  const changed = (envelope: typeof first) => {
    const text = Buffer.from(envelope.payload, 'base64').toString('utf8').replace('acme', 'umbr')
    return { ...envelope, payload: Buffer.from(text).toString('base64') }
  }
  const attempts: [string, Envelope[]][] = [
    ['the first changed', [changed(first), second]],
    ['the second changed', [first, changed(second)]],
    ['another order', [second, first]],
    ['the end cut off', [first]],
    ['the beginning cut off', [second]],
    ['one of them twice', [first, first, second]],
  ]
  for (const [what, attempt] of attempts) {
    expect(verifyReceipts(attempt, keys, head ?? undefined).problems, `${what}, and it verifies`).not.toEqual(
      [],
    )
  }
  expect(createHash('sha256').update(Buffer.from(second.payload, 'base64')).digest('hex')).toBe(head?.sha256)
})
