/**
 * The attacker is a tenant whose rows are large. What a row has in it came through no limit of ours, and a plan that
 * carried it would be parsed, hidden, digested, kept and read again, in the one thread that works for everybody.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SHOWN_BYTES, SHOWN_PARTS } from '../../lib/limits.ts'
import { useTestDatabase } from '../support/database.ts'
import { createSqlTarget, limits, makeTarget, sqlOperation, type SqlTarget } from '../support/sql-target.ts'

const ROWS = 9
const MOST_BYTES_OF_A_PLAN = 1_000
const target = useTestDatabase()
let sql: SqlTarget

beforeAll(async () => {
  await makeTarget(target.database)
  sql = createSqlTarget(() => target.url)
})
afterAll(() => sql.close())

async function plansOf(column: 'meta' | 'note', value: unknown) {
  const operations = Array.from({ length: ROWS }, (_, at) =>
    sqlOperation({ key: { id: at + 1 }, set: { [column]: value as string } }),
  )
  return Promise.all(operations.map((operation) => sql.executor.plan(operation, limits(60_000))))
}

test.each<['meta' | 'note', string, string, unknown]>([
  ['meta', '190,000 values', `(select jsonb_agg('[]'::jsonb) from generate_series(1, 190000))`, []],
  ['note', 'a text of a megabyte', `repeat('x', 1024 * 1024)`, ''],
])('a plan that replaces %s, with %s in it, has only its digest', async (column, _what, old, value) => {
  await target.database.query(`update invoices set ${column} = ${old}`)
  const { rows } = await target.database.query<{ digest: string }>(
    `select encode(sha256(convert_to(${column}::text, 'UTF8')), 'hex') as digest from invoices where id = 1`,
  )
  for (const plan of await plansOf(column, value)) {
    expect(Buffer.byteLength(JSON.stringify(plan))).toBeLessThan(MOST_BYTES_OF_A_PLAN)
    expect(plan.before).toEqual({
      [column]: expect.stringContaining(`SHA-256 of its text: ${rows[0]?.digest}`),
    })
  }
})

test('what is not large is shown as it is', async () => {
  // An empty list counts twice, and a text stands in its pair twice.
  const meta = Array.from({ length: SHOWN_PARTS / 4 }, () => [])
  const note = 'x'.repeat(SHOWN_BYTES / 4)
  await target.database.query('update invoices set meta = $1, note = $2', [JSON.stringify(meta), note])
  for (const { before } of await plansOf('meta', [])) expect(before).toEqual({ meta })
  for (const { before } of await plansOf('note', '')) expect(before).toEqual({ note })
})

test('what a trigger has made of a new value is told by its digest, too', async () => {
  await target.database.query(
    `create function enlarge() returns trigger language plpgsql as
       $$ begin new.meta = (select jsonb_agg('[]'::jsonb) from generate_series(1, 60000)); return new; end $$;
     create trigger enlarge before update of meta on invoices for each row execute function enlarge()`,
  )
  const send = await sql.prepare(sqlOperation({ key: { id: 1 }, set: { meta: [] } }))
  const said = JSON.stringify(await send())
  expect(said).toContain('STORED_OTHERWISE')
  expect(said.length).toBeLessThan(MOST_BYTES_OF_A_PLAN)
})
