/** Somebody has the address of the database that a worker has: from a program that it started, or from its machine. */
import { createHash } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startAttackWorld, type AttackWorld } from '../support/attack-world.ts'
import { addressFor } from '../support/logins.ts'

let attack: AttackWorld
let stolen: pg.Pool

beforeAll(async () => {
  attack = await startAttackWorld()
  stolen = new pg.Pool({ connectionString: addressFor('worker', attack.world.databaseUrl), max: 1 })
})
afterAll(async () => {
  await stolen.end()
  await attack.close()
})

const KEY_SHA256 = createHash('sha256').update('cs_of_the_attacker').digest('hex')

/** Done to a decision that is recorded. */
function recorded(statement: string): string {
  return `do $$ begin
    insert into decisions (decision_id, organization, writeback_id, principal, verdict, envelope, recorded_at)
      values ('dec_x', 'acme', 'wb_x', 'lena@acme.example', 'reject', '{}', now());
    ${statement} where decision_id = 'dec_x';
  end $$`
}

/** Each would let him in, or let a write through. */
const STATEMENTS: Record<string, string> = {
  'makes a key': `insert into api_keys (id, organization, principal, key_sha256, scopes)
    values ('key_x', 'acme', 'lena@acme.example', '${KEY_SHA256}', '{read,start,approve,admin}')`,
  'reads the keys': 'select key_sha256 from api_keys',
  'puts a key in the place of another': `update api_keys set key_sha256 = '${KEY_SHA256}'`,
  'makes a lead': `insert into principals (organization, id, kind, display_name) values ('acme', 'eve', 'person', 'Eve')`,
  'enables somebody': 'update principals set disabled_at = null',
  'gives a role': `insert into roles (organization, principal, role) values ('acme', 'carl@acme.example', 'lead')`,
  'allows everything': `update revisions set body = '{}'`,
  'saves a policy': `insert into revisions (organization, kind, name, number, version, content_sha256, body, author)
    select organization, kind, name, number + 1, version, content_sha256, body, author from revisions`,
  'goes back to an older policy': 'update manifests set head = 1',
  'thaws a connection': 'update manifests set frozen_at = null, frozen_by = null, frozen_reason = null',
  'changes a lock into more': 'update manifests set held = 1',
  'changes a receipt': `update receipts set envelope = '{}'`,
  'removes a decision that counts': recorded('delete from decisions'),
  'puts another in its place': recorded(`update decisions set envelope = '{"sig":1}'`),
  'moves a decision to another write': `update decisions set writeback_id = 'wb_x'`,
  'changes what tables do': 'alter table writebacks disable trigger all',
  'makes a function': 'create function app_now() returns timestamptz language sql as $$ select now() $$',
}

describe('with the address of a worker he', () => {
  test('makes no key, no lead and no policy', async () => {
    const done: string[] = []
    for (const [what, statement] of Object.entries(STATEMENTS)) {
      const answer = await stolen.query(statement).then(
        () => 'it was done',
        (error: { code?: string }) => error.code,
      )
      // Not allowed, a value that the column cannot have, or evidence that stays.
      if (!['42501', '23514', '23000'].includes(answer ?? '')) done.push(`he ${what}: ${answer}`)
    }
    expect(done, done.join('; ')).toEqual([])
  })

  test('sees what the worker works with, which goes on', async () => {
    const parked = await attack.park()
    const { rowCount } = await stolen.query('select from writebacks where run_id = $1', [parked.runId])
    expect(rowCount).toBe(1)
    expect(await attack.world.admin.listKeys()).toBeTruthy()
  })
})
