import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { createDatabase } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { migrateWhenReady } from '../../db/ready.ts'
import { useTestDatabase } from '../support/database.ts'

const db = useTestDatabase({ migrated: false })
const FIRST = '0001_foundation.sql'

beforeEach(() => db.database.query('drop schema public cascade; create schema public'))

async function applied(): Promise<{ name: string; sha256: string }[]> {
  const { rows } = await db.database.query<{ name: string; sha256: string }>(
    'select name, sha256 from schema_migrations order by name',
  )
  return rows
}

describe('migrating', () => {
  it('applies every file once, in order, and keeps its checksum', async () => {
    const names = await migrate(db.database)
    expect(names[0]).toBe(FIRST)
    expect(names).toEqual(names.toSorted())
    const sql = readFileSync(new URL(`../../db/migrations/${FIRST}`, import.meta.url))
    expect((await applied())[0]).toEqual({
      name: FIRST,
      sha256: createHash('sha256').update(sql).digest('hex'),
    })
    expect(await migrate(db.database)).toEqual([])
    expect(await applied()).toHaveLength(names.length)
  })

  it('by several processes at once applies everything once', async () => {
    const others = Array.from({ length: 4 }, () => createDatabase(db.url))
    const results = await Promise.all(others.map((other) => migrate(other)))
    expect(results.flat().toSorted()).toEqual((await applied()).map(({ name }) => name))
    await Promise.all(others.map((other) => other.end()))
  })

  it('takes the time it needs, where other statements may not', async () => {
    const impatient = createDatabase(db.url, { statementTimeoutMs: 100 })
    const first = await db.database.connect()
    await first.query('begin')
    await first.query('select pg_advisory_xact_lock(7261503)')
    const migrating = migrate(impatient)
    await new Promise((resolve) => setTimeout(resolve, 300))
    await first.query('commit')
    first.release()
    expect((await migrating)[0]).toBe(FIRST)
    await impatient.end()
  })

  it('stops at a file that has changed since it was applied, and changes nothing', async () => {
    await migrate(db.database)
    await db.database.query(`update schema_migrations set sha256 = 'before' where name = $1`, [FIRST])
    await expect(migrate(db.database)).rejects.toThrow(`migration ${FIRST} has changed`)
    expect((await applied())[0]?.sha256).toBe('before')
  })

  it('that fails leaves nothing behind', async () => {
    await db.database.query('create table revisions (in_the_way integer)')
    await expect(migrate(db.database)).rejects.toThrow('already exists')
    const { rows } = await db.database.query(`select tablename from pg_tables where schemaname = 'public'`)
    expect(rows).toEqual([{ tablename: 'revisions' }])
  })

  it('gives up soon where others hold a table, and a process that starts waits for them', async () => {
    await migrate(db.database)
    const other = await db.database.connect()
    await other.query(
      'set idle_in_transaction_session_timeout = 0; begin; lock table schema_migrations in access exclusive mode',
    )
    await expect(migrate(db.database)).rejects.toMatchObject({ code: '55P03' })
    const said: string[] = []
    const logger = {
      info: () => undefined,
      warn: (_fields: object, message: string) => void said.push(message),
    }
    const ready = migrateWhenReady(db.database, logger, new AbortController().signal)
    await vi.waitFor(
      () => expect(said).toEqual([expect.stringContaining('a migration waits for others')]),
      10_000,
    )
    await other.query('rollback')
    other.release()
    expect(await ready).toBe(true)
  }, 30_000)
})
