/**
 * The database of the customer makes something else of a value than people have seen: by its settings, by a cast or a
 * trigger of its own, or because two values are the same to it. Nobody has to mean harm for it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import {
  approve,
  endingOf,
  startAttackWorld,
  waitForApproval,
  type AttackWorld,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

let attack: AttackWorld

beforeAll(async () => {
  attack = await startAttackWorld()
  await attack.books.query(LEDGERS_SQL)
  const database = new URL(attack.booksUrl).pathname.slice(1)
  await attack.books.query(`alter database "${database}" set array_nulls = off`)
  await attack.world.admin.applyManifests({ manifests: MANIFESTS })
})

afterAll(() => attack.close())

const LEDGERS_SQL = `
create extension if not exists citext;
create type mood as enum ('low', 'high');
create function other_mood(mood) returns text language sql immutable as
  $$ select case $1 when 'low' then 'high' else 'low' end $$;
create cast (mood as text) with function other_mood(mood);
create table ledgers (
  id bigint primary key, tenant text not null, amount integer, tags text[], mood mood, note text,
  state citext not null default 'open');
insert into ledgers (id, tenant, amount) select i, 'acme', 0 from generate_series(1, 9) i;
create function in_cents() returns trigger language plpgsql as
  $$ begin if new.id = 1 then new.amount = new.amount * 100; end if; return new; end $$;
create trigger in_cents before update on ledgers for each row execute function in_cents();
`

const MANIFESTS = [
  {
    kind: 'Connection',
    name: 'vault',
    spec: {
      type: 'postgres',
      url: '${secret:BOOKS_URL}',
      scope: { column: 'tenant', value: 'acme' },
      tables: {
        ledgers: { primary_key: ['id'], version: 'state', writable: ['amount', 'tags', 'mood', 'note'] },
      },
    },
  },
  {
    kind: 'Policy',
    name: 'vault',
    spec: { rules: [{ name: 'lead', match: {}, require: { stages: [{ roles: ['lead'], quorum: 1 }] } }] },
  },
  ...['amount', 'tags', 'mood', 'note'].map((column) => {
    const update = {
      table: 'ledgers',
      key: { id: '${{ input.id }}' },
      set: { [column]: '${{ input.value }}' },
    }
    const steps = [{ name: 'change', writeback: { connection: 'vault', update } }]
    return { kind: 'Automation', name: `set-${column}`, spec: { steps } }
  }),
]

async function ask(
  column: string,
  id: number,
  value: unknown,
): Promise<{ runId: string; approval: ApprovalView }> {
  const input = { id, value } as never
  const { run_id: runId } = await attack.clerk.startRun({ name: `set-${column}`, input })
  return { runId, approval: await waitForApproval(attack.lead, runId) }
}

/** How the run ends once a lead has approved what was shown. */
async function approved(
  column: string,
  id: number,
  value: unknown,
): Promise<{ shown: unknown; ending: string }> {
  const { runId, approval } = await ask(column, id, value)
  await approve(attack.lead, approval)
  return { shown: approval.preview?.changes[0]?.after, ending: await endingOf(attack.world, runId) }
}

async function storedIn(column: string, id: number): Promise<unknown> {
  const { rows } = await attack.books.query<{ value: unknown }>(
    `select to_json(${column}) as value from ledgers where id = $1`,
    [id],
  )
  return rows[0]?.value
}

test('a trigger that changes what was approved has the write undone', async () => {
  expect(await approved('amount', 1, 3)).toEqual({ shown: 3, ending: 'STORED_OTHERWISE' })
  expect(await storedIn('amount', 1)).toBe(0)
  expect(await approved('amount', 2, 3)).toEqual({ shown: 3, ending: 'completed' })
  expect(await storedIn('amount', 2)).toBe(3)
})

test('a database that reads NULL as a word stores the null that was approved', async () => {
  const value = ['a', null]
  expect(await approved('tags', 3, value)).toEqual({ shown: value, ending: 'completed' })
  expect(await storedIn('tags', 3)).toEqual(value)
})

test('a cast of the target’s own does not say what is sent', async () => {
  expect(await approved('mood', 4, 'low')).toEqual({ shown: 'low', ending: 'completed' })
  expect(await storedIn('mood', 4)).toBe('low')
})

test('a version that is only the same to its type is another one', async () => {
  const { runId, approval } = await ask('note', 5, 'x')
  await attack.books.query(`update ledgers set state = 'OPEN' where id = 5`)
  await approve(attack.lead, approval)
  const follows = await eventually(async () => {
    if ((await attack.world.admin.getRun({ run_id: runId })).state === 'completed') return 'it is written'
    const { items } = await attack.lead.listApprovals({ run_id: runId })
    return items.some(({ writeback_id: id }) => id !== approval.writeback_id) && 'people are asked anew'
  })
  expect(follows).toBe('people are asked anew')
  expect(await storedIn('note', 5)).toBeNull()
})
