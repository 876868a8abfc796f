/** A guarded write to one row of a real database: what it does, what it refuses, and that it does it once. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { useTestDatabase } from '../support/database.ts'
import {
  createSqlTarget,
  limits,
  makeTarget,
  seenOf,
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

async function one(text: string, values: unknown[] = []): Promise<Record<string, unknown>> {
  const { rows } = await target.database.query<Record<string, unknown>>(text, values)
  expect(rows).toHaveLength(1)
  return rows[0] ?? {}
}

const effectsOn = async (id: number) =>
  (await one('select count(*)::int as count from effects where id = $1', [id]))['count']
const invoice = (id: number) => one('select * from invoices where id = $1', [id])

describe('a plan', () => {
  it('shows what is there and what will be, and freezes the version to the microsecond', async () => {
    const planned = await seenOf(sql, sqlOperation(waive(1)))
    expect(planned.changes).toEqual([{ field: 'fee', before: 42, after: 0 }])
    expect(planned.guard).toBe('atomic')
    expect(String(planned.preconditions['version'])).toMatch(/\.\d{4,6}\+00$/)
  })

  it('says that nothing guards a row without a version and a guard', async () => {
    const unguarded = sqlOperation(waive(1), (spec) => delete spec.tables['invoices']?.version)
    expect(await sql.executor.plan(unguarded, limits())).toMatchObject({ guard: 'none', preconditions: {} })
  })

  it.each([
    [99, 'missing'],
    [11, 'another tenant’s'],
  ])('finds no row %d: %s', async (id) => {
    const planning = sql.executor.plan(sqlOperation(waive(id)), limits())
    await expect(planning).rejects.toMatchObject({
      code: 'WRITE_CONFLICT',
      message: `billing/invoices/id=${id}: no such row`,
    })
  })

  it('refuses a row that is no longer as the automation read it', async () => {
    const moved = sqlOperation({ ...waive(1), guard: { note: 'something else' } })
    await expect(sql.executor.plan(moved, limits())).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
  })

  it('refuses a key that several rows have', async () => {
    const vague = sqlOperation({ key: { tenant: 'acme' }, set: { fee: 0 } }, (spec) => {
      delete spec.scope
      Object.assign(spec.tables['invoices'] ?? {}, { primary_key: ['tenant'] })
    })
    await expect(sql.executor.plan(vague, limits())).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' })
  })
})

describe('an update', () => {
  it('is applied once, with a receipt, in seven statements', async () => {
    const apply = await sql.prepare(sqlOperation(waive(2)))
    const query = vi.spyOn(pg.Client.prototype, 'query')
    const answer = await apply({ key: 'csk_two' })
    const statements = query.mock.calls.map(([asked]: unknown[]) => {
      const text = typeof asked === 'string' ? asked : (asked as { text: string }).text
      return text.trim().split(/\s+/)[0]
    })
    query.mockRestore()
    expect(answer).toEqual({ kind: 'answered', status: 'applied', output: { fee: '0.00' } })
    expect(statements).toEqual(['select', 'begin', 'insert', 'select', 'update', 'update', 'commit'])
    expect(await effectsOn(2)).toBe(1)
    expect(await one(`select * from countersign_receipts where idempotency_key = 'csk_two'`)).toMatchObject({
      writeback_id: 'wb_1',
      status: 'applied',
      result: { fee: '0.00' },
      completed_at: expect.any(Date) as Date,
    })
  })

  it('answers already_applied when the key comes again, and changes nothing', async () => {
    const apply = await sql.prepare(sqlOperation(waive(3, { fee: 7, note: null })))
    const first = await apply()
    await target.database.query('update invoices set fee = 8 where id = 3')
    expect(await apply()).toEqual({ ...first, status: 'already_applied' })
    expect(await invoice(3)).toMatchObject({ fee: '8.00', note: null })
    expect(await effectsOn(3)).toBe(2)
  })

  it('has one effect when several attempts with one key run at the same time', async () => {
    const apply = await sql.prepare(sqlOperation(waive(4)))
    const answers = await Promise.all(Array.from({ length: 8 }, () => apply()))
    const statuses = answers.map((answer) => (answer.kind === 'answered' ? answer.status : answer.kind))
    expect(statuses.toSorted()).toEqual([...Array<string>(7).fill('already_applied'), 'applied'])
    expect(await effectsOn(4)).toBe(1)
  })

  it('is a conflict if the row has changed, and stays one for ever', async () => {
    const { rows } = await target.database.query<{ version: string }>(
      `select version::text as version from invoices where id = 5`,
    )
    const apply = await sql.prepare(sqlOperation(waive(5)))
    await target.database.query(`update invoices set note = 'paid' where id = 5`)
    const conflict = { kind: 'answered', status: 'conflict', code: 'WRITE_CONFLICT', output: null }
    expect(await apply({ key: 'csk_five' })).toMatchObject(conflict)
    expect(await one(`select status from countersign_receipts where idempotency_key = 'csk_five'`)).toEqual({
      status: 'conflict',
    })
    await target.database.query('alter table invoices disable trigger touch')
    await target.database.query('update invoices set version = $1 where id = 5', [rows[0]?.version])
    await target.database.query('alter table invoices enable trigger touch')
    expect(await apply({ key: 'csk_five' })).toMatchObject(conflict)
    expect(await invoice(5)).toMatchObject({ fee: '42.00' })
    expect(await apply({ key: 'csk_five_again' })).toMatchObject({ status: 'applied' })
  })

  it('tells versions apart that differ by a microsecond', async () => {
    const setVersion = async (version: string): Promise<void> => {
      await target.database.query('alter table invoices disable trigger touch')
      await target.database.query('update invoices set version = $1 where id = 6', [version])
      await target.database.query('alter table invoices enable trigger touch')
    }
    await setVersion('2026-10-01 12:00:00.123456+00')
    const apply = await sql.prepare(sqlOperation(waive(6)))
    await setVersion('2026-10-01 12:00:00.123457+00')
    expect(await apply({ key: 'csk_six' })).toMatchObject({ status: 'conflict' })
    await setVersion('2026-10-01 12:00:00.123456+00')
    expect(await apply({ key: 'csk_six_again' })).toMatchObject({ status: 'applied' })
  })

  it('takes a timestamp with microseconds as a guard of the automation’s own', async () => {
    const { version } = await one('select version::text as version from invoices where id = 7')
    const guard = { version: String(version) }
    const apply = await sql.prepare(sqlOperation({ ...waive(7), guard }))
    expect(await apply()).toMatchObject({ status: 'applied' })
  })

  it.each([
    ['missing', 'delete from invoices where id = 8'],
    ['another tenant’s', `update invoices set tenant = 'rival' where id = 8`],
  ])('looks the same if the row is %s by then', async (_what, change) => {
    const apply = await sql.prepare(sqlOperation(waive(8)))
    await target.database.query(change)
    expect(await apply()).toEqual({
      kind: 'answered',
      status: 'conflict',
      code: 'WRITE_CONFLICT',
      message: 'billing/invoices/id=8: the row has changed since the write was planned, or is gone',
      output: null,
    })
    await target.database.query(`delete from invoices where id = 8`)
    await target.database.query(`insert into invoices (id, tenant, fee) values (8, 'acme', 42)`)
  })

  it('writes null, truth, and objects, and guards on null', async () => {
    const set = { note: null, settled: true, meta: { tags: ['a'], deep: { '"': "'" } } }
    await target.database.query('update invoices set note = null where id = 9')
    const apply = await sql.prepare(
      sqlOperation({ key: { id: 9 }, set, guard: { note: null, settled: null } }),
    )
    expect(await apply()).toMatchObject({ status: 'applied' })
    expect(await invoice(9)).toMatchObject(set)
    const again = sql.prepare(sqlOperation({ key: { id: 9 }, set, guard: { settled: null } }))
    await expect(again).rejects.toMatchObject({ code: 'WRITE_CONFLICT' })
  })

  it('keeps redacted values out of previews, answers and error texts', async () => {
    const secret = '5500-0000-0000-0004'
    const operation = sqlOperation(waive(8, { card: secret }))
    const planned = await seenOf(sql, operation)
    expect(planned.changes).toEqual([{ field: 'card', before: '[redacted]', after: '[redacted]' }])
    const apply = await sql.prepare(operation)
    expect(await apply()).toEqual({ kind: 'answered', status: 'applied', output: { card: '[redacted]' } })
    expect(await invoice(8)).toMatchObject({ card: secret })

    const unfit = sqlOperation(waive(8, { fee: `a "${secret}"` }), (spec) => {
      spec.tables['invoices']?.redact.push('fee')
    })
    const refused = sql.executor.plan(unfit, limits())
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS' })
    await expect(refused).rejects.toSatisfy((error: Error) => !error.message.includes(secret))
    const guarded = sql.executor.plan(sqlOperation({ ...waive(8), guard: { fee: secret } }), limits())
    await expect(guarded).rejects.toSatisfy((error: Error) => !error.message.includes(secret))
  })
})
