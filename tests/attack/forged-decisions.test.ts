/**
 * The attacker can write to the Temporal namespace: he sends any signal he likes to the approval that waits. He has no
 * key of a door. In some tests he is a person of the organization without the role, and holds tickets of his own.
 */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyIdOf, loadSigningKey } from '../../lib/keys.ts'
import { eventually } from '../support/world.ts'
import {
  approve,
  codeOf,
  finished,
  forgedTicket,
  refusals,
  signal,
  startAttackWorld,
  tampered,
  ticketOf,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'

let attack: AttackWorld

beforeAll(async () => {
  attack = await startAttackWorld()
})

afterAll(() => attack.close())

/** The write still waits, and nothing else than a lead's approval lets it happen. */
async function expectOnlyTheLeadCounts(parked: Parked): Promise<void> {
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  expect(await attack.amountOf(parked)).toBe(7)
}

describe('a forged signal', () => {
  test.each([
    ['a bare name', { by: 'lena@acme.example' }],
    ['a name with the right digest', { by: 'lena@acme.example', digest: 'a'.repeat(64), comment: 'ok' }],
    ['nothing', undefined],
    ['something else', { approved: true, state: 'approved', decisions: [] }],
    ['a ticket without a signature', { ticket: { payloadType: 'x', payload: '', signatures: [] } }],
  ])('that is %s is refused as unverified', async (_what, message) => {
    const parked = await attack.park()
    await signal(attack.world, parked.approval, message)
    expect(await refusals(attack.world, parked.approval)).toEqual(['UNVERIFIED'])
    await expectOnlyTheLeadCounts(parked)
  })

  test('with a ticket that an unknown key has signed is refused, even under the name of a known key', async () => {
    const parked = await attack.park()
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const doorKeyId = loadSigningKey(attack.world.keysFolder, 'decision').keyId
    for (const keyId of [keyIdOf(publicKey), doorKeyId]) {
      await signal(attack.world, parked.approval, {
        ticket: forgedTicket(parked.approval, { keyId, privateKey }),
      })
    }
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['UNVERIFIED', 'UNVERIFIED'])
    await expectOnlyTheLeadCounts(parked)
  })

  // He has got hold of a worker: its key is for receipts, and must not make decisions.
  test('with a ticket that the key of the workers has signed is refused', async () => {
    const parked = await attack.park()
    const key = loadSigningKey(attack.world.keysFolder, 'receipt')
    await signal(attack.world, parked.approval, { ticket: forgedTicket(parked.approval, key) })
    await signal(attack.world, parked.approval, {
      ticket: forgedTicket(parked.approval, key, { method: 'asserted' }),
    })
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['UNVERIFIED', 'UNVERIFIED'])
    await expectOnlyTheLeadCounts(parked)
  })

  // He is the clerk, whose own ticket is genuine and worth nothing.
  test('with a genuine ticket that was changed is refused, and unchanged it does not count', async () => {
    const parked = await attack.park()
    const ticket = await ticketOf(attack.clerk, parked.approval)
    await signal(attack.world, parked.approval, {
      ticket: tampered(ticket, { principal: 'lena@acme.example', roles: ['lead'] }),
    })
    await signal(attack.world, parked.approval, { ticket: tampered(ticket, { roles: ['lead'] }) })
    await signal(attack.world, parked.approval, { ticket })
    expect(await refusals(attack.world, parked.approval, 3)).toEqual([
      'UNVERIFIED',
      'UNVERIFIED',
      'SELF_APPROVAL',
    ])
    await expectOnlyTheLeadCounts(parked)
  })

  test('that turns a rejection into an approval is refused', async () => {
    const parked = await attack.park()
    const { input } = await attack.lead.createTicket({
      approval_id: parked.approval.approval_id,
      verdict: 'reject',
      digest: parked.approval.digest,
    })
    await signal(attack.world, parked.approval, { ticket: input.ticket })
    await signal(attack.world, parked.approval, { ticket: tampered(input.ticket, { verdict: 'approve' }) })
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['UNVERIFIED', 'UNVERIFIED'])
    await expectOnlyTheLeadCounts(parked)
  })
})

describe('a genuine ticket', () => {
  test('sent as a signal is as good as the API', async () => {
    const parked = await attack.park()
    await signal(attack.world, parked.approval, { ticket: await ticketOf(attack.lead, parked.approval) })
    expect((await finished(attack.world, parked.runId)).state).toBe('completed')
    expect(await attack.amountOf(parked)).toBe(7)
  })

  test('of one write does not approve another one', async () => {
    const [parked, other] = [await attack.park(), await attack.park(8)]
    const ticket = await ticketOf(attack.lead, other.approval)
    await signal(attack.world, parked.approval, { ticket })
    await signal(attack.world, parked.approval, {
      ticket: tampered(ticket, { writebackId: parked.approval.writeback_id, digest: parked.approval.digest }),
    })
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['STALE_DIGEST', 'UNVERIFIED'])
    expect(await attack.amountOf(other)).toBe(100)
    await expectOnlyTheLeadCounts(parked)
  })

  // He has the key of the API for a moment, or the API of yesterday signed it: the digest is that of another plan.
  test('for another digest of the same write is stale', async () => {
    const parked = await attack.park()
    const key = loadSigningKey(attack.world.keysFolder, 'decision')
    const ticket = forgedTicket(parked.approval, key, { digest: 'b'.repeat(64) })
    await signal(attack.world, parked.approval, { ticket })
    expect(await refusals(attack.world, parked.approval)).toEqual(['STALE_DIGEST'])
    await expectOnlyTheLeadCounts(parked)
  })

  test('asked for with another digest is not even signed', async () => {
    const parked = await attack.park()
    const body = {
      approval_id: parked.approval.approval_id,
      verdict: 'approve',
      digest: 'b'.repeat(64),
    } as const
    expect(await codeOf(attack.lead.createTicket(body))).toBe('STALE_DIGEST')
    expect(await codeOf(attack.lead.decideApproval(body))).toBe('STALE_DIGEST')
    await expectOnlyTheLeadCounts(parked)
  })

  test('sent again and again counts once, and for one person', async () => {
    const parked = await attack.park()
    const ticket = await ticketOf(attack.lead, parked.approval)
    for (let i = 0; i < 5; i++) await signal(attack.world, parked.approval, { ticket }).catch(() => undefined)
    const run = await finished(attack.world, parked.runId)
    expect(run.approvals[0]?.votes).toHaveLength(1)
    expect(run.receipts).toHaveLength(2)
    expect(await attack.amountOf(parked)).toBe(7)
  })

  test('of another organization is about another write', async () => {
    const parked = await attack.park()
    const key = loadSigningKey(attack.world.keysFolder, 'decision')
    await signal(attack.world, parked.approval, {
      ticket: forgedTicket(parked.approval, key, { organization: 'umbrella' }),
    })
    expect(await refusals(attack.world, parked.approval)).toEqual(['STALE_DIGEST'])
    await expectOnlyTheLeadCounts(parked)
  })

  test('of somebody who has lost the role since is refused', async () => {
    const parked = await attack.park()
    const former = await attack.world.as('fred@acme.example', ['lead'])
    const ticket = await ticketOf(former, parked.approval)
    await attack.world.as('fred@acme.example', [])
    await signal(attack.world, parked.approval, { ticket })
    expect(await refusals(attack.world, parked.approval)).toEqual(['NOT_ELIGIBLE'])
    await expectOnlyTheLeadCounts(parked)
  })

  test('of somebody who has got the role since is refused, and counts when it is signed with it', async () => {
    const parked = await attack.park()
    const early = await attack.world.as('eve@acme.example', [])
    const ticket = await ticketOf(early, parked.approval)
    await attack.world.as('eve@acme.example', ['lead'])
    await signal(attack.world, parked.approval, { ticket })
    expect(await refusals(attack.world, parked.approval)).toEqual(['NOT_ELIGIBLE'])
    expect(await attack.amountOf(parked)).toBe(100)
    expect(await approve(early, parked.approval)).toBe('approved')
    expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  })

  test('of an agent or a service does not count, whatever its roles', async () => {
    const parked = await attack.park()
    for (const kind of ['agent', 'service'] as const) {
      const machine = await attack.world.as(`machine-${kind}`, ['lead'], kind)
      await signal(attack.world, parked.approval, { ticket: await ticketOf(machine, parked.approval) })
    }
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['NOT_ELIGIBLE', 'NOT_ELIGIBLE'])
    await expectOnlyTheLeadCounts(parked)
  })
})

test('after fifty refused signals no further one is looked at, and the API still is', async () => {
  const parked = await attack.park()
  const ticket = await ticketOf(attack.lead, parked.approval)
  for (let i = 0; i < 51; i++) await signal(attack.world, parked.approval, { by: `nobody-${i}` })
  await signal(attack.world, parked.approval, { ticket })
  const last = await eventually(async () => {
    const codes = await refusals(attack.world, parked.approval, 50)
    if (codes.at(-1) !== 'UNVERIFIED') return codes.at(-1)
    const { state } = await attack.lead.getApproval({ approval_id: parked.approval.approval_id })
    return state !== 'waiting' && state
  })
  expect(last).toBe('TOO_MANY_REFUSED')
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await codeOf(approve(attack.lead, parked.approval))).toBe('nothing was refused')
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
})
