/** A target that refuses, is not prepared, or is away: what that says about the write, and what it does not. */
import pg from 'pg'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { useTestDatabase } from '../support/database.ts'
import {
  createSqlTarget,
  limits,
  makeTarget,
  RECEIPTS_DDL,
  sendingLimits,
  sqlOperation,
  storedFee,
  waive as waiving,
  word,
  type SqlTarget,
} from '../support/sql-target.ts'

const target = useTestDatabase({ migrated: false })
let sql: SqlTarget

beforeAll(() => makeTarget(target.database))
beforeEach(() => void (sql = createSqlTarget(() => target.url)))
afterEach(() => sql.close())

const waive = (id: number, set: JsonObject = { fee: 0 }) => sqlOperation(waiving(id, set))

async function count(text: string, values: unknown[] = []): Promise<number> {
  const { rows } = await target.database.query<{ count: number }>(text, values)
  return rows[0]?.count ?? -1
}
const effectsOn = (id: number) => count('select count(*)::int as count from effects where id = $1', [id])

describe('a target that refuses', () => {
  it('has no table for receipts: not prepared, nothing changed, and it goes on once there is one', async () => {
    const apply = await sql.prepare(waive(9))
    await target.database.query('alter table countersign_receipts rename to kept')
    expect(word(await apply())).toBe('not_sent: TARGET_NOT_PREPARED')
    expect(await effectsOn(9)).toBe(0)
    await target.database.query(RECEIPTS_DDL)
    expect(word(await apply())).toBe('applied')
    await target.database.query(
      'drop table countersign_receipts; alter table kept rename to countersign_receipts',
    )
  })

  it('has taken the right to the receipts away: that says nothing about the write', async () => {
    const role = `writer_${Date.now()}`
    await target.database.query(
      `create role ${role} login password 'pw'; grant select, update on invoices to ${role};
       grant insert on effects to ${role}; grant select, insert, update on countersign_receipts to ${role}`,
    )
    const url = new URL(target.url)
    Object.assign(url, { username: role, password: 'pw' })
    const writer = createSqlTarget(() => url.toString())
    const apply = await writer.prepare(waive(1, { fee: 1 }))
    expect(word(await apply())).toBe('applied')
    await target.database.query(`revoke all on countersign_receipts from ${role}`)
    expect(word(await apply())).toBe('not_sent: TARGET_NOT_PREPARED')
    await target.database.query(`grant select, insert, update on countersign_receipts to ${role}`)
    expect(word(await apply())).toBe('already_applied')
    await writer.close()
    await target.database.query(`drop owned by ${role}; drop role ${role}`)
  })

  it('is a standby for the moment, or has time limits of its own: not sent', async () => {
    const apply = await sql.prepare(waive(2, { fee: 2 }))
    await target.database.query(`do $$ begin execute format(
      'alter database %I set default_transaction_read_only = on', current_database()); end $$`)
    await sql.close()
    expect(word(await apply())).toBe('not_sent: WRITE_NOT_SENT')
    await sql.close()
    const { rows } = await target.database.query<{ name: string }>('select current_database() as name')
    const admin = new pg.Client({
      connectionString: target.url,
      options: '-c default_transaction_read_only=off',
    })
    await admin.connect()
    await admin.query(
      `alter database ${pg.escapeIdentifier(rows[0]?.name ?? '')} reset default_transaction_read_only`,
    )
    await admin.end()
    expect(word(await apply())).toBe('applied')
  })

  it.each<[string, string, JsonObject]>([
    ['a check constraint', 'alter table invoices add constraint low check (fee < 1000)', { fee: 5_000 }],
    [
      'a constraint that is checked at COMMIT',
      'alter table invoices add unique (note) deferrable initially deferred',
      { note: 'twin' },
    ],
  ])('says so: %s', async (_what, change, set) => {
    await target.database.query(`update invoices set note = id::text`)
    await target.database.query(`update invoices set note = 'twin' where id = 19`)
    await target.database.query(change)
    const before = await effectsOn(3)
    const apply = await sql.prepare(waive(3, set))
    expect(word(await apply())).toBe('not_done: WRITE_FAILED')
    expect(await effectsOn(3)).toBe(before)
    expect(
      await count(`select count(*)::int as count from countersign_receipts where status = 'in_progress'`),
    ).toBe(0)
  })

  it('swallows the update, or would change two rows: failed, and nothing was changed', async () => {
    await target.database
      .query(`create function swallow() returns trigger language plpgsql as $$ begin return null; end $$;
      create trigger swallow before update on invoices for each row when (old.id = 4) execute function swallow()`)
    expect(word(await (await sql.prepare(waive(4)))())).toBe('not_done: WRITE_FAILED')
    await target.database.query('alter table invoices drop constraint invoices_pkey')
    const apply = await sql.prepare(waive(5))
    await target.database.query(`insert into invoices (id, tenant, fee) values (5, 'acme', 1)`)
    const before = await effectsOn(5)
    expect(await apply()).toMatchObject({
      kind: 'not_done',
      by: 'receipt',
      error: { code: 'WRITE_FAILED', message: expect.stringContaining('2 rows') as string },
    })
    expect(await effectsOn(5)).toBe(before)
    await target.database.query(`delete from invoices where id = 5 and fee = 1`)
    await target.database.query('alter table invoices add primary key (id)')
  })

  it.each([
    ['does not listen', 'postgres://nobody@127.0.0.1:1/none'],
    ['is not to be found', 'postgres://nobody@nowhere.invalid/none'],
  ])('%s: not sent, not even planned', async (_what, url) => {
    const away = createSqlTarget(() => url)
    await expect(away.executor.plan(waive(1), limits())).rejects.toMatchObject({
      code: 'CONNECTION_NOT_READY',
    })
    const sending = {
      key: 'k',
      writebackId: 'w',
      digest: 'd',
      stored: storedFee(1),
      preconditions: {},
      ...sendingLimits(),
    }
    expect(word(await away.executor.apply(waive(1), sending))).toBe('not_sent: CONNECTION_NOT_READY')
    await away.close()
  })

  it('refuses the password: told as that, and not as a server that is away', async () => {
    const role = `locked_${Date.now()}`
    await target.database.query(`create role ${role} login password 'pw'`)
    const url = Object.assign(new URL(target.url), { username: role, password: 'another' })
    const wrong = createSqlTarget(() => url.toString())
    await expect(wrong.executor.plan(waive(1), limits())).rejects.toMatchObject({
      code: 'LOGIN_REFUSED',
      message: expect.not.stringContaining('another') as string,
    })
    await wrong.close()
  })

  it('is another one than the password is for: not sent', async () => {
    const url = new URL(target.url)
    url.pathname = '/nowhere'
    const wrong = createSqlTarget(() => url.toString())
    await expect(wrong.executor.plan(waive(1), limits())).rejects.toMatchObject({
      code: 'CONNECTION_NOT_READY',
    })
    await wrong.close()
  })
})
