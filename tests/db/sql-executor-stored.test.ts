/**
 * What people approve is what the target stores, whatever the settings of the database, its casts and its triggers. If
 * it is not, nothing is stored.
 */
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LIMITS } from '../../lib/limits.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { PostgresConnectionSpec } from '../../schemas/manifests.ts'
import { useTestDatabase } from '../support/database.ts'
import { createSqlTarget, limits, RECEIPTS_DDL, sqlOperation, type SqlTarget } from '../support/sql-target.ts'

const target = useTestDatabase({ migrated: false })
let sql: SqlTarget

const TYPES = {
  at: 'timestamptz',
  ats: 'timestamptz[]',
  span: 'tstzrange',
  clock: 'timetz',
  took: 'interval',
  float: 'double precision',
  tags: 'text[]',
  bytes: 'bytea',
  mood: 'mood',
  moods: 'mood[]',
  pair: 'pair',
  fixed: 'char(4)',
  flag: 'boolean',
  doc: 'jsonb',
  raw: 'json',
  cash: 'money',
  short: 'numeric(6, 2)',
  word: 'citext',
} as const

beforeAll(async () => {
  const columns = Object.entries(TYPES).map(([name, type]) => `"${name}" ${type}`)
  await target.database.query(
    `create extension if not exists citext;
     create type mood as enum ('low', 'high');
     create function other_mood(mood) returns text language sql immutable as
       $$ select case $1 when 'low' then 'high' else 'low' end $$;
     create cast (mood as text) with function other_mood(mood);
     create type pair as (at timestamptz, mood mood);
     ${RECEIPTS_DDL};
     create table samples (id bigint primary key, tenant text not null, ${columns.join(', ')}, note text, seen integer);
     insert into samples (id, tenant) values (1, 'acme');
     create table words (word citext primary key, tenant text not null, version citext not null, note text);`,
  )
})
beforeEach(() =>
  target.database.query(`delete from words; insert into words values ('a', 'acme', 'v', null)`),
)
afterAll(() => sql?.close())

/** As whoever runs the target has set them; a connection takes them when it is made. */
async function withSettings(settings: readonly string[], work: () => Promise<void>): Promise<void> {
  const name = pg.escapeIdentifier(new URL(target.url).pathname.slice(1))
  for (const setting of settings) await target.database.query(`alter database ${name} set ${setting}`)
  await sql?.close()
  sql = createSqlTarget(() => target.url)
  try {
    await work()
  } finally {
    await target.database.query(`alter database ${name} reset all`)
  }
}

const tables = (spec: PostgresConnectionSpec): void => {
  const none = { schema: 'public', redact: [] }
  Object.assign(spec.tables, {
    samples: { ...none, primary_key: ['id'], writable: [...Object.keys(TYPES), 'note'] },
    words: { ...none, primary_key: ['word'], version: 'version', writable: ['note', 'word'] },
    through: { ...none, primary_key: ['id'], writable: ['note'] },
  })
}

const change = (set: JsonObject) => sqlOperation({ table: 'samples', key: { id: 1 }, set }, tables)

/** What people see, and what the target then has, read in a session without any setting of its own. */
async function seenAndStored(column: keyof typeof TYPES, value: JsonValue): Promise<unknown[]> {
  const operation = change({ [column]: value })
  const planned = await sql.executor.plan(operation, limits())
  const seen = sql.executor.describe(operation, planned.stored).after[column] ?? null
  const answer = await (await sql.prepare(operation))()
  expect(answer).toMatchObject({ kind: 'answered', status: 'applied' })
  const { rows } = await target.database.query<{ same: boolean; stored: unknown }>(
    `select to_json(t."${column}") as stored,
       to_json(t."${column}")::text = to_json(s."${column}")::text as same
     from samples t, json_populate_record(null::samples, $1::json) s where t.id = 1`,
    [JSON.stringify({ [column]: seen })],
  )
  return [rows[0]?.same, { seen, stored: rows[0]?.stored }]
}

const MOMENT = '2026-03-04T10:00:00Z'

describe.each([
  ['the settings of the server', []],
  ['dates as in Shanghai', [`datestyle = 'SQL, DMY'`, `timezone = 'Asia/Shanghai'`]],
  ['dates as in Kolkata', [`datestyle = 'Postgres, DMY'`, `timezone = 'Asia/Kolkata'`]],
  ['dates as in Berlin', [`datestyle = 'German'`, `timezone = 'Europe/Berlin'`]],
  ['arrays without nulls', ['array_nulls = off']],
  ['few digits', ['extra_float_digits = -10']],
  ['intervals as in the standard', [`intervalstyle = 'sql_standard'`]],
  ['bytes with escapes', [`bytea_output = 'escape'`]],
])('under %s', (_what, settings) => {
  it.each<[keyof typeof TYPES, JsonValue]>([
    ['at', MOMENT],
    ['ats', [MOMENT, null]],
    ['span', `[${MOMENT},)`],
    ['clock', '10:00:00+02'],
    ['took', '-1 day +02:03:04'],
    ['took', '1 mon -3 days'],
    ['float', 0.12345678901234568],
    ['tags', ['a', null, 'NULL']],
    ['bytes', '\\x00ff5c27'],
    ['mood', 'low'],
    ['moods', ['low', null]],
    ['pair', { at: MOMENT, mood: 'low' }],
    ['pair', { at: null, mood: null }],
    ['fixed', 'ab'],
    ['flag', true],
    ['doc', { a: [1.5, null] }],
    ['cash', '$1,234.56'],
    ['short', 1.005],
    ['word', 'Abc'],
  ])('%s %j is stored as it is shown', async (column, value) => {
    await withSettings(settings, async () => {
      const [same, values] = await seenAndStored(column, value)
      expect([same, values]).toEqual([true, values])
    })
  })
})

it('a float is shown with all its digits, and a moment is the one that was given', async () => {
  await withSettings(
    ['extra_float_digits = -10', `datestyle = 'SQL, DMY'`, `timezone = 'Asia/Shanghai'`],
    async () => {
      const operation = change({ float: 0.12345678901234568, at: MOMENT })
      const { stored } = await sql.executor.plan(operation, limits())
      const { after } = sql.executor.describe(operation, stored)
      expect(after).toEqual({ float: 0.12345678901234568, at: '2026-03-04T18:00:00+08:00' })
    },
  )
})

/** What the target makes of the values by itself. */
async function withDdl(ddl: string, undo: string, work: () => Promise<void>): Promise<void> {
  await target.database.query(ddl)
  try {
    await withSettings([], work)
  } finally {
    await target.database.query(undo)
  }
}

const TRIGGER = (when: string, body: string) =>
  `create function meddle() returns trigger language plpgsql as $$ begin ${body} end $$;
   create trigger meddle ${when} update on samples for each row execute function meddle()`
const UNDO = 'drop trigger meddle on samples; drop function meddle()'

const note = async () =>
  (await target.database.query<{ note: string | null }>('select note from samples where id = 1')).rows[0]
    ?.note
const receipts = async (key: string) =>
  (await target.database.query('select from countersign_receipts where idempotency_key = $1', [key])).rowCount

describe('a write of which the target makes something else is undone, and says so:', () => {
  it.each([
    ['a trigger before it', TRIGGER('before', `new.note = upper(new.note); return new;`), UNDO],
    [
      'a trigger after it',
      TRIGGER(
        'after',
        `if pg_trigger_depth() = 1 then update samples set note = upper(note) where id = new.id; end if; return null;`,
      ),
      UNDO,
    ],
  ])('%s', async (_what, ddl, undo) => {
    await target.database.query(`update samples set note = 'old' where id = 1`)
    await withDdl(ddl, undo, async () => {
      const answer = await (await sql.prepare(change({ note: 'new' })))({ key: 'csk_meddled' })
      expect(answer).toMatchObject({
        kind: 'not_done',
        by: 'receipt',
        error: {
          code: 'STORED_OTHERWISE',
          message:
            'billing/samples/id=1: approved was {"note":"new"}, the row has {"note":"NEW"} after the update; rolled back',
        },
      })
    })
    expect(await note()).toBe('old')
    expect(await receipts('csk_meddled')).toBe(0)
  })

  it('a view whose trigger tells of another row than it has written', async () => {
    await target.database.query(`update samples set note = 'old' where id = 1`)
    const ddl = `create view through as select id, tenant, note from samples;
      create function meddle() returns trigger language plpgsql as
        $$ begin update samples set note = upper(new.note) where id = new.id; return new; end $$;
      create trigger meddle instead of update on through for each row execute function meddle()`
    await withDdl(ddl, 'drop view through; drop function meddle()', async () => {
      const operation = sqlOperation({ table: 'through', key: { id: 1 }, set: { note: 'new' } }, tables)
      expect(await (await sql.prepare(operation))()).toMatchObject({ error: { code: 'STORED_OTHERWISE' } })
    })
    expect(await note()).toBe('old')
  })

  it('and keeps redacted values out of what it says', async () => {
    await withDdl(TRIGGER('before', `new.note = upper(new.note); return new;`), UNDO, async () => {
      const operation = sqlOperation(
        { table: 'samples', key: { id: 1 }, set: { note: 'secret' } },
        (spec) => {
          tables(spec)
          Object.assign(spec.tables['samples'] ?? {}, { redact: ['note'] })
        },
      )
      const answer = await (await sql.prepare(operation))()
      expect(String((answer as { error?: Error }).error?.message).toLowerCase()).not.toContain('secret')
    })
  })
})

it('what a trigger makes of other columns is nobody’s business', async () => {
  await withDdl(TRIGGER('before', `new.seen = 1; return new;`), UNDO, async () => {
    expect(await (await sql.prepare(change({ note: 'as said' })))()).toMatchObject({ status: 'applied' })
  })
  const { rows } = await target.database.query('select note, seen from samples where id = 1')
  expect(rows).toEqual([{ note: 'as said', seen: 1 }])
})

describe('a row that the type of a column calls the same, and people would not,', () => {
  const rename = (word: string, set: JsonObject = { note: 'x' }) =>
    sqlOperation({ table: 'words', key: { word }, set }, tables)

  it.each([
    ['version', `update words set version = 'V'`],
    ['key', `update words set word = 'A'`],
  ])('is a conflict: its %s has changed', async (_column, edit) => {
    await withSettings([], async () => {
      const apply = await sql.prepare(rename('a'))
      await target.database.query(edit)
      expect(await apply()).toMatchObject({ status: 'conflict' })
      expect(await (await sql.prepare(rename('a')))()).toMatchObject({ status: 'applied' })
    })
  })

  it('is written to when a column of its key is what is written', async () => {
    await withSettings([], async () => {
      expect(await (await sql.prepare(rename('a', { word: 'B', note: 'moved' })))()).toMatchObject({
        status: 'applied',
        output: { word: 'B', note: 'moved' },
      })
    })
  })
})

describe('JSON with much in it', () => {
  const withDoc = (parts: number) =>
    target.database.query(
      `update samples set doc = (select jsonb_agg('[]'::jsonb) from generate_series(1, $1::integer)) where id = 1`,
      [parts],
    )

  it('is shown by its digest where it is to be replaced, and is replaced', async () => {
    await withDoc(20_000)
    const { rows } = await target.database.query<{ digest: string }>(
      `select encode(sha256(convert_to(doc::text, 'UTF8')), 'hex') as digest from samples where id = 1`,
    )
    await withSettings([], async () => {
      const operation = change({ doc: [] })
      const { before } = await sql.executor.plan(operation, limits())
      expect(before).toEqual({ doc: expect.stringContaining(`SHA-256 of its text: ${rows[0]?.digest}`) })
      expect(await (await sql.prepare(operation))()).toMatchObject({ status: 'applied' })
    })
  })

  it('is refused where the plan would keep it', async () => {
    await withDoc(LIMITS.valueParts + 10)
    const table = { schema: 'public', redact: [], primary_key: ['id'], writable: ['note'], version: 'doc' }
    const operation = sqlOperation({ table: 'samples', key: { id: 1 }, set: { note: 'x' } }, (spec) => {
      Object.assign(spec.tables, { samples: table })
    })
    await withSettings([], () =>
      expect(sql.executor.plan(operation, limits())).rejects.toMatchObject({ code: 'RESULT_TOO_LARGE' }),
    )
  })
})

describe('JSON with a character that our own database cannot keep', () => {
  it.each([
    ['U+0000', '{"a":"x\\u0000y"}'],
    ['half of a pair', '{"a":"\\ud800"}'],
    ['such a name', '{"\\ud800":1}'],
  ])('is shown escaped, and can be replaced: %s', async (_what, text) => {
    await target.database.query('update samples set raw = $1 where id = 1', [text])
    await withSettings([], async () => {
      const operation = change({ raw: { a: 1 } })
      const planned = await sql.executor.plan(operation, limits())
      expect(planned.before).toEqual({ raw: text })
      expect(await (await sql.prepare(operation))()).toMatchObject({ status: 'applied' })
    })
  })
})
