/**
 * The attacker is one of us: he has the role that approves, and an API key of his own. He may let anybody's write happen
 * but his own, and counts once.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  adjustment,
  approve,
  codeOf,
  finished,
  refusals,
  signal,
  startAttackWorld,
  ticketOf,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'
import type { Client as ApiClient } from '../../sdk/client/index.ts'

const TOGETHER = 'together'

let attack: AttackWorld
/** A lead like `attack.lead`. */
let fred: ApiClient & { apiKey: string }

beforeAll(async () => {
  attack = await startAttackWorld()
  fred = await attack.world.as('fred@acme.example', ['lead'])
  const both = {
    name: 'both-leads-agree',
    match: { automation: TOGETHER },
    require: { stages: [{ roles: ['lead'], quorum: 2 }] },
  }
  // Policies are asked in the order of their names, and `books` has a rule for everything.
  const policy = { kind: 'Policy', name: 'a-together', spec: { rules: [both] } }
  await attack.world.admin.applyManifests({ manifests: [adjustment(TOGETHER), policy] })
})

afterAll(() => attack.close())

async function expectOnlyTheOtherLeadCounts(parked: Parked): Promise<void> {
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  expect(await attack.amountOf(parked)).toBe(7)
}

describe('an approval', () => {
  test('with a ticket from before whoever signed it was disabled does not count', async () => {
    const name = { principal_id: 'gone@acme.example' }
    const gone = await attack.world.as(name.principal_id, ['lead'])
    const parked = await attack.park()
    const ticket = await ticketOf(gone, parked.approval)
    await attack.world.admin.disablePrincipal(name)
    expect(await codeOf(approve(gone, parked.approval))).toBe('UNAUTHENTICATED')
    await signal(attack.world, parked.approval, { ticket })
    expect(await refusals(attack.world, parked.approval)).toEqual(['NOT_ELIGIBLE'])
    await expectOnlyTheOtherLeadCounts(parked)
  })

  test('of whoever asked for the write does not count, by API or by signal', async () => {
    const parked = await attack.park(7, { by: fred })
    expect(await codeOf(approve(fred, parked.approval))).toBe('SELF_APPROVAL')
    await signal(attack.world, parked.approval, { ticket: await ticketOf(fred, parked.approval) })
    expect(await refusals(attack.world, parked.approval)).toEqual(['SELF_APPROVAL'])
    await expectOnlyTheOtherLeadCounts(parked)
  })

  test.each([
    ['first', ['fred@acme.example', 'carl@acme.example']],
    ['last', ['carl@acme.example', 'fred@acme.example']],
  ])('of the %s of those for whom an agent asked does not count', async (_place, onBehalfOf) => {
    const agent = await attack.world.as('assistant', ['lead'], 'agent')
    const parked = await attack.park(7, { by: agent, onBehalfOf })
    expect(await codeOf(approve(fred, parked.approval))).toBe('SELF_APPROVAL')
    await signal(attack.world, parked.approval, { ticket: await ticketOf(fred, parked.approval) })
    expect(await refusals(attack.world, parked.approval)).toEqual(['SELF_APPROVAL'])
    await expectOnlyTheOtherLeadCounts(parked)
  })

  test('of a machine with the role and an API key does not count', async () => {
    const parked = await attack.park()
    for (const kind of ['agent', 'service'] as const) {
      const machine = await attack.world.as(`worker-${kind}`, ['lead'], kind)
      expect(await codeOf(approve(machine, parked.approval))).toBe('NOT_ELIGIBLE')
    }
    await expectOnlyTheOtherLeadCounts(parked)
  })
})

describe('two approvals of one person, where two people are wanted,', () => {
  test('are one', async () => {
    const parked = await attack.park(7, { automation: TOGETHER })
    const first = await ticketOf(fred, parked.approval)
    const second = await ticketOf(fred, parked.approval)
    for (const ticket of [first, first, second]) await signal(attack.world, parked.approval, { ticket })
    expect(await refusals(attack.world, parked.approval)).toEqual(['ALREADY_VOTED'])
    expect(await codeOf(approve(fred, parked.approval))).toBe('ALREADY_VOTED')
    await expectOnlyTheOtherLeadCounts(parked)
    const run = await attack.world.admin.getRun({ run_id: parked.runId })
    expect(run.approvals[0]?.votes.map(({ principal }) => principal)).toEqual([
      'fred@acme.example',
      'lena@acme.example',
    ])
  })
})

describe('an approval that is refused again and again', () => {
  test('over the API keeps nobody else from deciding', async () => {
    const joe = await attack.world.as('joe@acme.example', ['clerk'])
    const parked = await attack.park()
    const codes: string[] = []
    for (let i = 0; i < 52; i++) codes.push(await codeOf(approve(joe, parked.approval)))
    expect(new Set(codes)).toEqual(new Set(['NOT_ELIGIBLE']))
    await expectOnlyTheOtherLeadCounts(parked)
  })
})
