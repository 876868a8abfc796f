/** What an automation may say about a row, and that nothing it says becomes anything but a value. */
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRow, updateRowOnce } from '../../activities/executors/sql-statements.ts'
import type { JsonObject } from '../../lib/json.ts'
import type { PostgresConnectionSpec } from '../../schemas/manifests.ts'
import { useTestDatabase } from '../support/database.ts'
import {
  createSqlTarget,
  databaseAt,
  limits,
  sendingLimits,
  makeTarget,
  sqlOperation,
  waive,
  type SqlTarget,
} from '../support/sql-target.ts'

const target = useTestDatabase({ migrated: false })
let sql: SqlTarget

beforeAll(async () => {
  await makeTarget(target.database)
  sql = createSqlTarget(() => target.url)
})
afterAll(() => sql.close())

async function refusal(
  update: JsonObject,
  change?: (spec: PostgresConnectionSpec) => void,
): Promise<unknown> {
  const operation = sqlOperation(update, change)
  const [resolved, planned] = await Promise.allSettled([
    sql.executor.resolve(operation, limits()),
    sql.executor.plan(operation, limits()),
  ])
  expect(resolved.status).toBe('rejected')
  expect(planned.status).toBe('rejected')
  return (resolved as PromiseRejectedResult).reason
}

describe('arguments', () => {
  it.each<[string, JsonObject, string]>([
    ['a column that may not be written', waive(1, { version: '2026-01-01' }), 'version may not be written'],
    ['a column of the key', waive(1, { id: 2 }), 'id may not be written'],
    ['the tenant', waive(1, { tenant: 'rival' }), 'tenant may not be written'],
    ['no column', waive(1, {}), 'set names no column'],
    ['an incomplete key', { key: {}, set: { fee: 0 } }, 'key lacks id'],
    ['a tenant in the key', { key: { id: 1, tenant: 'rival' }, set: { fee: 0 } }, 'key names tenant'],
    ['another column in the key', { key: { id: 1, note: 'x' }, set: { fee: 0 } }, 'key names note'],
    ['an unknown table', { ...waive(1), table: 'users' }, 'billing has no table users'],
    ['a table that every object has', { ...waive(1), table: 'constructor' }, 'no table constructor'],
    ['no identifier', { ...waive(1), table: 'invoices"; drop table invoices; --' }, 'table: '],
    [
      'a guard on a column unknown to the connection',
      { ...waive(1), guard: { tenant: 'rival' } },
      'guard names',
    ],
    ['a field of no meaning', { ...waive(1), where: 'true' }, 'where'],
  ])('refuse %s', async (_what, update, message) => {
    expect(await refusal(update)).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      message: expect.stringContaining(message) as string,
    })
  })

  it('never name the tenant’s column, even if the connection lists it as writable', async () => {
    const careless = (spec: PostgresConnectionSpec): void =>
      void spec.tables['invoices']?.writable.push('tenant')
    expect(await refusal(waive(1, { tenant: 'rival' }), careless)).toMatchObject({
      code: 'INVALID_ARGUMENTS',
    })
  })

  it('refuse another operation and another type of connection', async () => {
    const operation = sqlOperation(waive(1))
    await expect(sql.executor.resolve({ ...operation, operation: 'delete' }, limits())).rejects.toMatchObject(
      {
        code: 'INVALID_ARGUMENTS',
      },
    )
    await expect(sql.executor.read(operation, { ...limits(), destination: null })).rejects.toThrow(
      'no operation of class read',
    )
    const spec = { type: 'mcp' } as unknown as PostgresConnectionSpec
    await expect(sql.executor.plan({ ...operation, spec }, limits())).rejects.toThrow('not a database')
  })

  it('say what a policy may look at', async () => {
    expect(await sql.executor.resolve(sqlOperation(waive(1)), limits())).toEqual({
      class: 'write',
      endpoint: {
        type: 'postgres',
        url: 'given to the executor',
        scope: { column: 'tenant', value: 'acme' },
        tables: { invoices: expect.objectContaining({ schema: 'public', primary_key: ['id'] }) as object },
      },
      definitionSha256: null,
      destination: null,
    })
    const { stored } = await sql.executor.plan(sqlOperation(waive(1)), limits())
    const set = { fee: 0 }
    const key = { id: 1 }
    expect(sql.executor.describe(sqlOperation(waive(1)), stored)).toEqual({
      target: 'billing/invoices/id=1',
      facts: {
        arguments: { table: 'invoices', key, guard: {}, set },
        target: { table: 'invoices', key },
        patch: set,
      },
      after: set,
    })
    expect(sql.executor.resend(sqlOperation(waive(1)))).toBe('safe')
  })
})

describe('identifiers', () => {
  it('with quotes stay identifiers', async () => {
    const hostile = `x" = 1; drop table invoices; --`
    await target.database.query(
      `create table "odd ""table" (id integer primary key, "${hostile.replaceAll('"', '""')}" text)`,
    )
    await target.database.query(`insert into "odd ""table" values (1, 'before')`)
    const inPool = <T>(work: (pool: pg.Pool) => Promise<T>) => sql.targets.lend(databaseAt(target.url), work)
    const address = { schema: 'public', table: 'odd "table', where: { id: 1 } }
    const read = await inPool((pool) =>
      readRow(pool, {
        address,
        columns: [hostile],
        guard: { [hostile]: 'before' },
        set: { [hostile]: `'; drop table invoices; --` },
        ...limits(),
      }),
    )
    expect(read).toEqual({
      values: { [hostile]: '["before", "before"]' },
      matchesGuard: true,
      set: { [hostile]: `["'; drop table invoices; --", "'; drop table invoices; --"]` },
    })
    const sending = {
      key: 'csk_odd',
      writebackId: 'wb_odd',
      digest: 'd',
      preconditions: { [hostile]: 'before' },
    }
    const set = { [hostile]: `'; drop table invoices; --` }
    const stored = { key: { id: '["1", 1]' }, set: read?.set ?? {} }
    const params = { address, set, stored, ...sending, ...sendingLimits() }
    expect(await inPool((pool) => updateRowOnce(pool, params))).toMatchObject({ status: 'applied' })
    const { rows } = await target.database.query('select count(*)::int as count from invoices')
    expect(rows[0]).toMatchObject({
      count: expect.any(Number) as number,
    })
  })

  it('of a manifest that says otherwise cannot break out either', async () => {
    const forged = sqlOperation(waive(1, { fee: 0 }), (spec) => {
      Object.assign(spec.tables['invoices'] ?? {}, { schema: 'public"."users" set admin = true; --' })
    })
    await expect(sql.executor.plan(forged, limits())).rejects.toMatchObject({
      code: 'TABLE_NOT_USABLE',
      message: expect.stringContaining('does not exist') as string,
    })
  })

  it('are not confused with the column that says whether the guard holds', async () => {
    await target.database.query('create table matching (id integer primary key, matches_guard text)')
    await target.database.query(`insert into matching values (1, 'kept')`)
    const address = { schema: 'public', table: 'matching', where: { id: 1 } }
    const params = { address, columns: ['matches_guard'], guard: {}, set: {}, ...limits() }
    const read = await sql.targets.lend(databaseAt(target.url), (pool) => readRow(pool, params))
    expect(read).toEqual({ values: { matches_guard: '["kept", "kept"]' }, matchesGuard: true, set: {} })
  })
})
