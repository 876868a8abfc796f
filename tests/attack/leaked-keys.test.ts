/**
 * The attacker has a signing key that this deployment once used: it leaked, and was replaced and retired. He can write to
 * the Temporal namespace, and dates what he signs as he likes.
 */
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SigningKey } from '../../lib/dsse.ts'
import { ensureKeys, loadSigningKey, retireKey } from '../../lib/keys.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import {
  approve,
  codeOf,
  CONNECTION,
  finished,
  forgedTicket,
  refusals,
  signal,
  startAttackWorld,
  ticketOf,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

let attack: AttackWorld
let leaked: SigningKey

beforeAll(async () => {
  attack = await startAttackWorld()
  leaked = loadSigningKey(attack.world.keysFolder, 'decision')
})

afterAll(() => attack.close())

/** What an API signs that was started with the key of now. */
const ticketOfNow = (approval: ApprovalView) =>
  forgedTicket(approval, loadSigningKey(attack.world.keysFolder, 'decision'))

function replaceLeakedKey(): void {
  const { keysFolder } = attack.world
  unlinkSync(join(keysFolder, 'decision.key.pem'))
  ensureKeys(keysFolder)
  retireKey(keysFolder, { keyId: leaked.keyId, at: new Date() })
}

async function expectOnlyTheNewKeyCounts(parked: Parked): Promise<void> {
  expect(await attack.amountOf(parked)).toBe(100)
  await signal(attack.world, parked.approval, { ticket: ticketOfNow(parked.approval) })
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  expect(await attack.amountOf(parked)).toBe(7)
}

test('a vote that is dated ahead of our clock does not count, for it would stay young too long', async () => {
  const parked = await attack.park()
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString()
  await signal(attack.world, parked.approval, {
    ticket: forgedTicket(parked.approval, leaked, { at: tomorrow }),
  })
  expect(await refusals(attack.world, parked.approval)).toEqual(['UNVERIFIED'])
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
})

describe('with a key that was retired', () => {
  test('what was approved before and is not sent is asked for again', async () => {
    const parked = await attack.park()
    const name = { name: CONNECTION }
    await attack.world.admin.freezeConnection({ ...name, reason: 'a key has leaked' })
    expect(await approve(attack.lead, parked.approval)).toBe('approved')
    replaceLeakedKey()
    await attack.world.admin.thawConnection(name)
    const again = await eventually(async () => {
      if ((await attack.amountOf(parked)) !== 100) return 'it was written'
      const { items } = await attack.lead.listApprovals({ run_id: parked.runId, state: 'waiting' })
      return items[0]
    })
    expect(again).toMatchObject({ writeback_id: parked.approval.writeback_id, votes: [] })
    await expectOnlyTheNewKeyCounts({ ...parked, approval: again as ApprovalView })
  })

  test('a new ticket is refused, also one that is dated back', async () => {
    const parked = await attack.park()
    for (const at of [new Date(), new Date(Date.now() - 3_600_000)]) {
      const ticket = forgedTicket(parked.approval, leaked, { at: at.toISOString() })
      await signal(attack.world, parked.approval, { ticket })
    }
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['UNVERIFIED', 'UNVERIFIED'])
    await expectOnlyTheNewKeyCounts(parked)
  })

  test('the API that still signs with it is not believed either, and says why', async () => {
    const parked = await attack.park()
    expect(await codeOf(approve(attack.lead, parked.approval))).toBe('UNVERIFIED')
    await signal(attack.world, parked.approval, { ticket: await ticketOf(attack.lead, parked.approval) })
    expect(await refusals(attack.world, parked.approval, 2)).toEqual(['UNVERIFIED', 'UNVERIFIED'])
    await expectOnlyTheNewKeyCounts(parked)
  })
})
