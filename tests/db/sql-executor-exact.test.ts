/** Every type of column: what is planned, shown, judged, sent and answered is one value, exactly, or it is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { PostgresConnectionSpec } from '../../schemas/manifests.ts'
import { chanceOf } from '../chaos/random.ts'
import { useTestDatabase } from '../support/database.ts'
import { decimalOf, exactDecimal } from '../support/decimals.ts'
import { createSqlTarget, limits, RECEIPTS_DDL, sqlOperation, type SqlTarget } from '../support/sql-target.ts'

const target = useTestDatabase({ migrated: false })
let sql: SqlTarget

const TYPES = {
  small: 'integer',
  big: 'bigint',
  exact: 'numeric(38, 10)',
  cents: 'numeric(10, 2)',
  free: 'numeric',
  float: 'double precision',
  real: 'real',
  money: 'money',
  flag: 'boolean',
  at: 'timestamptz',
  local: 'timestamp',
  short_at: 'timestamptz(3)',
  day: 'date',
  uid: 'uuid',
  mood: 'mood',
  positive: 'positive',
  code: 'varchar(3)',
  fixed: 'char(4)',
  folded: 'citext',
  tags: 'text[]',
  ids: 'bigint[]',
  doc: 'jsonb',
  raw: 'json',
  bytes: 'bytea',
  took: 'interval',
  address: 'inet',
} as const

beforeAll(async () => {
  const columns = Object.entries(TYPES).map(([name, type]) => `"${name}" ${type}`)
  await target.database.query(
    `create extension if not exists citext;
     create type mood as enum ('sad', 'glad');
     create domain positive as integer check (value > 0);
     ${RECEIPTS_DDL};
     create table samples (id bigint primary key, tenant text not null, ${columns.join(', ')});
     insert into samples (id, tenant) values (1, 'acme'), (9007199254740992, 'acme'), (9007199254740993, 'acme');
     create table named (name citext primary key, tenant text not null, note text);
     insert into named values ('Alice', 'acme', null)`,
  )
  sql = createSqlTarget(() => target.url)
})
afterAll(() => sql.close())

const samples = (spec: PostgresConnectionSpec): void =>
  void Object.assign(spec.tables, {
    samples: { schema: 'public', primary_key: ['id'], writable: Object.keys(TYPES), redact: [] },
    named: { schema: 'public', primary_key: ['name'], writable: ['note'], redact: [] },
  })

const operation = (set: JsonObject, id: JsonValue = 1, guard: JsonObject = {}) =>
  sqlOperation({ table: 'samples', key: { id }, set, guard }, samples)

/** What policy judges and people see; and after it was sent, what the target has, told by itself. */
async function written(set: JsonObject, id: JsonValue = 1) {
  const operationOf = operation(set, id)
  const planned = await sql.executor.plan(operationOf, limits())
  const { after, facts } = sql.executor.describe(operationOf, planned.stored)
  const answer = await (await sql.prepare(operationOf))()
  const [column = ''] = Object.keys(set)
  const { rows } = await target.database.query<{ text: string | null }>(
    `select case when "${column}" is not null then ${column === 'flag' ? 'flag::text' : `format('%s', "${column}")`} end as text
     from samples where id = $1`,
    [id],
  )
  expect(facts.patch).toEqual(after)
  expect(answer).toMatchObject({ status: 'applied', output: { [column]: rows[0]?.text } })
  return { seen: after[column], text: rows[0]?.text }
}

describe('a column', () => {
  it.each<[keyof typeof TYPES, JsonValue, JsonValue, string | null]>([
    ['small', ' 0x9', 9, '9'],
    ['small', null, null, null],
    ['big', '9007199254740993', '9007199254740993', '9007199254740993'],
    ['big', '9007199254740991', 9007199254740991, '9007199254740991'],
    ['big', ' 07 ', 7, '7'],
    [
      'exact',
      '1234567890123456789012345678.0123456789',
      '1234567890123456789012345678.0123456789',
      '1234567890123456789012345678.0123456789',
    ],
    ['exact', '1.10', 1.1, '1.1000000000'],
    ['cents', 1.005, 1.01, '1.01'],
    ['cents', '1e3', 1000, '1000.00'],
    ['free', '0.1000000000000000055', '0.1000000000000000055', '0.1000000000000000055'],
    ['free', 'NaN', 'NaN', 'NaN'],
    ['free', 'inf', 'Infinity', 'Infinity'],
    ['float', '1e-1', 0.1, '0.1'],
    ['float', '-0', -0, '-0'],
    ['real', 0.1, 0.1, '0.1'],
    ['money', '$1,234.50', '$1,234.50', '$1,234.50'],
    ['flag', 'on', true, 'true'],
    ['flag', 1, true, 'true'],
    ['flag', ' F ', false, 'false'],
    [
      'short_at',
      '2026-01-31T09:30:00.123456Z',
      '2026-01-31T09:30:00.123+00:00',
      '2026-01-31 09:30:00.123+00',
    ],
    [
      'at',
      '2026-01-31T10:30:00.123456+01:00',
      '2026-01-31T09:30:00.123456+00:00',
      '2026-01-31 09:30:00.123456+00',
    ],
    ['at', 'infinity', 'infinity', 'infinity'],
    ['local', '2026-01-31 09:30', '2026-01-31T09:30:00', '2026-01-31 09:30:00'],
    ['day', 'January 31, 2026', '2026-01-31', '2026-01-31'],
    [
      'uid',
      '{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ],
    ['mood', 'glad', 'glad', 'glad'],
    ['positive', '+5', 5, '5'],
    ['folded', 'ABC', 'ABC', 'ABC'],
    ['fixed', 'ab', 'ab  ', 'ab  '],
    ['tags', ['a', 'b,"c"', null], ['a', 'b,"c"', null], '{a,"b,\\"c\\"",NULL}'],
    ['tags', '{x,y}', ['x', 'y'], '{x,y}'],
    ['ids', [1, '9007199254740993'], [1, '9007199254740993'], '{1,9007199254740993}'],
    [
      'doc',
      { a: [1.5, 'x', null], b: true },
      { a: [1.5, 'x', null], b: true },
      '{"a": [1.5, "x", null], "b": true}',
    ],
    ['doc', '{"vip": 1}', '{"vip": 1}', '"{\\"vip\\": 1}"'],
    ['raw', { a: 1 }, { a: 1 }, '{"a":1}'],
    ['bytes', 'abc', '\\x616263', '\\x616263'],
    ['took', '90 minutes', '01:30:00', '01:30:00'],
    ['address', '::FFFF', '::ffff', '::ffff'],
  ])('%s given %j is judged and shown as %j, and holds %s', async (column, given, seen, text) => {
    expect(await written({ [column]: given })).toEqual({ seen, text })
  })

  it.each<[keyof typeof TYPES, JsonValue]>([
    ['small', '9.5'],
    ['small', 2_147_483_648],
    ['big', '9223372036854775808'],
    ['cents', '123456789.00'],
    ['flag', 'maybe'],
    ['flag', 2],
    ['at', 'soon'],
    ['day', '2026-02-30'],
    ['uid', 'x'],
    ['mood', 'angry'],
    ['positive', 0],
    ['code', 'abcd'],
    ['tags', { a: 1 }],
    ['ids', ['x']],
    ['address', 'home'],
  ])('%s refuses %j when the write is planned, before anybody is asked', async (column, given) => {
    const planning = sql.executor.plan(operation({ [column]: given }), limits())
    await expect(planning).rejects.toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringMatching(`^set\\.${column}: `) as string,
    })
  })

  it('is named with all others that do not take their values, and with no value', async () => {
    const planning = sql.executor.plan(
      operation({ small: 'seven', tags: [1], code: 'abcd' }, 'x', { big: 'nine', at: 'soon' }),
      limits(),
    )
    const error = (await planning.catch((thrown: unknown) => thrown)) as Error
    const places = error.message.match(/(?:key|guard|set)\.\w+/g)
    expect(places).toEqual(['key.id', 'guard.big', 'guard.at', 'set.small', 'set.code'])
    expect(error.message).not.toMatch(/seven|nine|soon|abcd/)
  })

  it('of JSON that is nested 3,000 deep is shown as a text, and can be replaced', async () => {
    const deep = `${'['.repeat(3_000)}${']'.repeat(3_000)}`
    await target.database.query('update samples set doc = $1 where id = 1', [deep])
    const planned = await sql.executor.plan(operation({ doc: [] }), limits())
    expect(planned.before).toEqual({ doc: deep })
    await written({ doc: [] })
  })

  it('of lists, and of JSON, can be in a guard', async () => {
    await written({ tags: ['a', 'b,"c"', null] })
    await written({ doc: { a: [1, { b: null }] } })
    const guard = { tags: ['a', 'b,"c"', null], doc: { a: [1, { b: null }] } }
    expect(await sql.executor.plan(operation({ small: 3 }, 1, guard), limits())).toMatchObject({
      guard: 'atomic',
    })
    const other = operation({ small: 3 }, 1, { tags: ['a'] })
    await expect(sql.executor.plan(other, limits())).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
  })

  it('holds any number that it was planned with, whatever its digits', async () => {
    const chance = chanceOf('columns')
    for (let i = 0; i < 40; i++) {
      const text = decimalOf(chance)
      const { seen, text: kept } = await written({ free: text })
      expect([text, exactDecimal(String(kept))]).toEqual([text, exactDecimal(text)])
      expect([text, exactDecimal(String(seen))]).toEqual([text, exactDecimal(text)])
      const isExact = exactDecimal(text) === exactDecimal(String(Number(text)))
      expect([text, typeof seen]).toEqual([text, isExact ? 'number' : 'string'])
    }
  })
})

describe('a row', () => {
  it('over 2^53 is the one that was asked for', async () => {
    await written({ small: 5 }, '9007199254740993')
    const { rows } = await target.database.query('select small from samples where id = 9007199254740992')
    expect(rows).toEqual([{ small: null }])
  })

  it.each<[JsonValue, JsonValue, string]>([
    ['9007199254740993', '9007199254740993', 'id=9007199254740993'],
    [' 01 ', 1, 'id=1'],
    [1, 1, 'id=1'],
  ])('by the key %j is %j to policy, and %s to people', async (id, key, named) => {
    const asked = operation({ small: 1 }, id)
    const { stored } = await sql.executor.plan(asked, limits())
    const { facts, target: shown } = sql.executor.describe(asked, stored)
    expect(facts.target).toEqual({ table: 'samples', key: { id: key } })
    expect(facts.arguments).toMatchObject({ key: { id: key } })
    expect(shown).toBe(`billing/samples/${named}`)
  })

  it('is named as the target has it, where two spellings are one key', async () => {
    const asked = sqlOperation({ table: 'named', key: { name: 'ALICE' }, set: { note: 'x' } }, samples)
    const { stored } = await sql.executor.plan(asked, limits())
    expect(sql.executor.describe(asked, stored).target).toBe('billing/named/name=Alice')
    expect(await (await sql.prepare(asked))()).toMatchObject({ status: 'applied' })
  })

  it('shows what is there in the same form as what will be', async () => {
    await written({ cents: '12.50' })
    const asked = operation({ cents: '12.5' }, 1, { cents: '12.500' })
    const { stored, before, preconditions } = await sql.executor.plan(asked, limits())
    const { after, facts } = sql.executor.describe(asked, stored)
    expect(before).toEqual(after)
    expect(facts.arguments['guard']).toEqual({ cents: 12.5 })
    expect(preconditions).toEqual({ cents: '12.50' })
  })
})

describe('a word for a moment', () => {
  it.each<keyof typeof TYPES>(['at', 'local', 'day'])(
    'is one moment from the plan on: %s',
    async (column) => {
      const asked = operation({ [column]: 'now' })
      const planned = await sql.executor.plan(asked, limits())
      const { after } = sql.executor.describe(asked, planned.stored)
      await target.database.query('select pg_sleep(0.01)')
      const apply = await sql.prepare(asked)
      expect(await apply({ stored: planned.stored })).toMatchObject({ status: 'applied' })
      const { rows } = await target.database.query<{ value: string }>(
        `select to_jsonb("${column}") as value from samples where id = 1`,
      )
      expect(rows[0]?.value).toBe(after[column])
    },
  )

  it('is a text like any other in a column of text', async () => {
    const asked = operation({ tags: ['pay now'], code: 'now' })
    const planned = await sql.executor.plan(asked, limits())
    const stored = structuredClone(planned.stored) as { set: Record<string, string> }
    stored.set['code'] = '["low", "now"]'
    const apply = await sql.prepare(asked)
    expect(await apply({ stored: stored as never })).toMatchObject({ status: 'conflict' })
    expect(await (await sql.prepare(asked))()).toMatchObject({ status: 'applied' })
  })
})

describe('what the ledger keeps of a plan', () => {
  it.each([
    [null],
    [{}],
    [{ key: { id: '["1", 1]' }, guard: {}, set: {} }],
    [{ key: { id: '["1", 1]' }, guard: {}, set: { small: '["1", 1]', flag: '["t", true]' } }],
    [{ key: { id: '1' }, guard: {}, set: { small: '["1", 1]' } }],
    [{ key: { id: '["1", 1]' }, guard: {}, set: { small: 'no json' } }],
    [{ key: { id: '["1", 1]' }, guard: { flag: '["t", true]' }, set: { small: '["1", 1]' } }],
  ])('is not believed if no plan looks like that: %j', async (stored) => {
    const asked = operation({ small: 1 })
    const describing = () => sql.executor.describe(asked, stored as never)
    expect(describing).toThrow(expect.objectContaining({ code: 'WRITE_NOT_AUTHORISED' }))
    const apply = await sql.prepare(asked)
    expect(await apply({ stored: stored as never })).toMatchObject({ kind: 'not_sent' })
  })
})
