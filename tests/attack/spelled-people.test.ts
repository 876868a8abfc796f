/**
 * The attacker has a key that may start runs, or may make keys for others. He spells the name of a person in another way,
 * so that one person is two, or that whoever asked for a write is somebody else than who approves it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeOf, startAttackWorld, type AttackWorld } from '../support/attack-world.ts'
import type { Client as ApiClient } from '../../sdk/client/index.ts'

let attack: AttackWorld
let agent: ApiClient

beforeAll(async () => {
  attack = await startAttackWorld()
  agent = await attack.world.as('assistant', [], 'agent')
})

afterAll(() => attack.close())

/** Of lena@acme.example, who approves. */
const SPELLINGS: [string, string][] = [
  ['capitals', 'LENA@acme.example'],
  ['one capital', 'lena@Acme.example'],
  ['a letter of full width', '\uff4cena@acme.example'],
  ['a letter of another alphabet', 'l\u0435na@acme.example'],
  ['a letter and its accent', 'le\u0301na@acme.example'],
  ['a character that cannot be seen', 'lena\u200b@acme.example'],
  ['a turned direction', '\u202elena@acme.example'],
  ['a blank', 'lena@acme.example '],
]

describe.each(SPELLINGS)('a name with %s', (_what, spelled) => {
  test('is nobody for whom one can ask', async () => {
    const started = attack.park(7, { by: agent, onBehalfOf: [spelled] })
    expect(await codeOf(started)).toBe('INVALID_INPUT')
    const dry = agent.dryRun({ name: 'adjust', input: { account: 'a', amount: 7 }, on_behalf_of: [spelled] })
    expect(await codeOf(dry)).toBe('INVALID_INPUT')
  })

  test('does not make a second person', async () => {
    expect(await codeOf(attack.world.as(spelled, ['lead']))).toBe('INVALID_INPUT')
    const rows = attack.world.database.query(
      `insert into principals (organization, id, kind, display_name) values ('acme', $1, 'person', 'Lena')`,
      [spelled],
    )
    expect(String(await rows.catch((error: Error) => error.message))).toContain('violates check constraint')
  })
})

test('nobody asks for somebody who is not known here', async () => {
  await attack.world.as('gone@acme.example', ['lead'])
  await attack.world.admin.disablePrincipal({ principal_id: 'gone@acme.example' })
  for (const unknown of ['lana@acme.example', 'gone@acme.example']) {
    const started = attack.park(7, { by: agent, onBehalfOf: ['carl@acme.example', unknown] })
    expect(await codeOf(started)).toBe('INVALID_INPUT')
  }
})
