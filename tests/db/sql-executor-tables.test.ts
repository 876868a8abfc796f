/**
 * A connection that names what its database does not have, or does not give to its login: no automation can mend that, so
 * the error tells whoever can. And what a database quotes of its address is hidden by what was used to reach it.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSqlExecutor } from '../../activities/executors/sql.ts'
import type { PostgresConnectionSpec } from '../../schemas/manifests.ts'
import { createDatabase } from '../../db/database.ts'
import { ERRORS } from '../../schemas/errors.ts'
import { useTestDatabase } from '../support/database.ts'
import {
  createSqlTarget,
  databaseAt,
  limits,
  makeTarget,
  sendingLimits,
  sqlOperation,
  waive,
  type SqlTarget,
} from '../support/sql-target.ts'

const target = useTestDatabase({ migrated: false })
const login = `reader_${randomUUID().slice(0, 8)}`
let sql: SqlTarget
let url: string

beforeAll(async () => {
  await makeTarget(target.database)
  await target.database.query(`create role ${login} login password 'reader'`)
  await target.database.query('create table payments (id integer primary key, tenant text, fee numeric)')
  url = Object.assign(new URL(target.url), { username: login, password: 'reader' }).href
  sql = createSqlTarget(() => url)
})
afterAll(async () => {
  await sql.close()
  await target.database.query(`drop owned by ${login}`)
  await target.database.query(`drop role ${login}`)
})

type Change = (spec: PostgresConnectionSpec) => void
const tableOf = (spec: PostgresConnectionSpec) => spec.tables['invoices'] ?? expect.unreachable()

it.each<[string, string, Change, string]>([
  ['the login may not read', '42501', () => undefined, 'permission denied for table invoices'],
  [
    'is not there',
    '42P01',
    (spec) => Object.assign(tableOf(spec), { schema: 'elsewhere' }),
    'relation "elsewhere.invoices" does not exist',
  ],
])('a table that %s is told to whoever can mend it', async (_what, sqlState, change, says) => {
  const planning = sql.executor.plan(sqlOperation(waive(1), change), limits())
  await expect(planning).rejects.toMatchObject({
    code: 'TABLE_NOT_USABLE',
    message: `tables.invoices of the connection billing: ${sqlState}: ${says}`,
  })
})

it.each<[string, Change]>([
  ['version', (spec) => Object.assign(tableOf(spec), { version: 'changed_at' })],
  ['scope', (spec) => Object.assign(spec, { scope: { column: 'changed_at', value: 'acme' } })],
])('a column of the %s that is not there is told to whoever can mend it', async (_what, change) => {
  const direct = createSqlTarget(() => target.url)
  await expect(direct.executor.plan(sqlOperation(waive(1), change), limits())).rejects.toMatchObject({
    code: 'TABLE_NOT_USABLE',
    message: expect.stringMatching(/^tables\.invoices of the connection billing: 42703: column .*changed_at/),
  })
  await direct.close()
})

it('bytes that are not UTF-8, which a database without an encoding keeps, are shown to nobody as other letters', async () => {
  const name = `ascii_${randomUUID().replaceAll('-', '')}`
  await target.database.query(
    `create database ${name} encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'`,
  )
  const ascii = createDatabase(Object.assign(new URL(target.url), { pathname: `/${name}` }).href)
  const direct = createSqlTarget(() => Object.assign(new URL(target.url), { pathname: `/${name}` }).href)
  await makeTarget(ascii)
  await ascii.query(`update invoices set note = convert_from('\\x636166e9', 'SQL_ASCII') where id = 1`)
  const plan = (id: number) => direct.executor.plan(sqlOperation(waive(id, { note: 'café' })), limits())
  await expect(plan(1)).rejects.toMatchObject({
    code: 'RESULT_INVALID',
    message: 'tables.invoices of the connection billing: it holds a text that is not in UTF-8',
  })
  expect(await plan(2)).toMatchObject({ before: { note: 'as sent' } })
  await direct.close()
  await ascii.end()
  await target.database.query(`drop database ${name} with (force)`)
})

it('is tried again by itself, and goes on once the login may read it', async () => {
  expect(ERRORS.TABLE_NOT_USABLE.retryable).toBe(true)
  await target.database.query(`grant select on invoices to ${login}`)
  expect(await sql.executor.plan(sqlOperation(waive(1)), limits())).toMatchObject({ before: { fee: 42 } })
})

it('a secret that is renewed at this moment is hidden as it was used', async () => {
  await target.database.query(`
    create function quote() returns trigger language plpgsql as
      $$ begin raise exception 'no: secret-number-1'; end $$;
    create trigger quote before update on invoices for each row when (new.note = 'quote') execute function quote();`)
  const prepared = createSqlTarget(() => target.url)
  const operation = sqlOperation(waive(3, { note: 'quote' }))
  const { stored, preconditions } = await prepared.executor.plan(operation, limits())
  let resolved = 0
  const executor = createSqlExecutor({
    targets: prepared.targets,
    // Another one each time: somebody renews it.
    targetOf: () => ({ ...databaseAt(target.url), secrets: [`secret-number-${++resolved}`] }),
  })
  const sending = { key: 'csk_renewed', writebackId: 'wb_1', digest: 'd', stored, preconditions }
  const answer = await executor.apply(operation, { ...sending, ...sendingLimits() })
  expect(answer).toMatchObject({ kind: 'not_done', error: { message: 'P0001: no: [secret]' } })
  expect(resolved).toBe(1)
  await prepared.close()
})
