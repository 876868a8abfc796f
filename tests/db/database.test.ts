/** Transactions on our own database, also when the server goes away in the middle of one. */
import { describe, expect, it } from 'vitest'
import { databaseError } from '../../api/database-errors.ts'
import { createDatabase, inTransaction, type Queryable } from '../../db/database.ts'
import { useTestDatabase } from '../support/database.ts'

const db = useTestDatabase({ migrated: false })

async function endSessionOf(tx: Queryable): Promise<void> {
  const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
  await db.database.query('select pg_terminate_backend($1, 2000)', [rows[0]?.pid])
}

describe('a statement', () => {
  it('that takes longer than it may is ended, and its connection goes on', async () => {
    const impatient = createDatabase(db.url, { statementTimeoutMs: 200 })
    const failing = impatient.query('select pg_sleep(20)')
    await expect(failing).rejects.toMatchObject({ code: '57014' })
    expect(databaseError(await failing.catch((error: unknown) => error))).toMatchObject({
      code: 'UNAVAILABLE',
    })
    await expect(impatient.query('select 1')).resolves.toMatchObject({ rowCount: 1 })
    await impatient.end()
  })
})

describe('a transaction', () => {
  it('is kept whole or not at all', async () => {
    await db.database.query('create table kept (n integer primary key)')
    const added = await inTransaction(db.database, async (tx) => {
      const { rowCount } = await tx.query('insert into kept values (1), (2)')
      return rowCount
    })
    expect(added).toBe(2)
    const failing = inTransaction(db.database, async (tx) => {
      await tx.query('insert into kept values (3)')
      throw new Error('on purpose')
    })
    await expect(failing).rejects.toThrow('on purpose')
    expect((await db.database.query('select n from kept')).rowCount).toBe(2)
  })

  it('is not called kept when the server has rolled it back', async () => {
    const careless = inTransaction(db.database, async (tx) => {
      await tx.query('insert into kept values (4)')
      await tx.query('insert into kept values (4)').catch(() => undefined)
      return 'done'
    })
    await expect(careless).rejects.toThrow('rolled back')
    expect((await db.database.query('select n from kept')).rowCount).toBe(2)
  })

  it('fails, and the process lives, when its session is ended during a statement', async () => {
    const failing = inTransaction(db.database, async (tx) => {
      const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
      const ending = db.database.query('select pg_sleep(0.1), pg_terminate_backend($1, 2000)', [rows[0]?.pid])
      await Promise.all([tx.query('select pg_sleep(20)'), ending])
    })
    await expect(failing).rejects.toMatchObject({ code: '57P01' })
    await expect(db.database.query('select 1')).resolves.toMatchObject({ rowCount: 1 })
  })

  it('fails, and the process lives, when its session is ended between two statements', async () => {
    const failing = inTransaction(db.database, async (tx) => {
      await endSessionOf(tx)
      await new Promise((resolve) => setTimeout(resolve, 50))
      await tx.query('select 1')
    })
    await expect(failing).rejects.toThrow()
    await expect(db.database.query('select 1')).resolves.toMatchObject({ rowCount: 1 })
  })

  it(
    'does not keep its locks when whoever began it is never heard of again',
    { timeout: 60_000 },
    async () => {
      const gone = createDatabase(db.url)
      const client = await gone.connect()
      client.on('error', () => undefined)
      await client.query('begin')
      await client.query('insert into kept values (5)')
      // Waits for the other one to end, as the next attempt at a write does.
      expect((await db.database.query('insert into kept values (5)')).rowCount).toBe(1)
      client.release(true)
      await gone.end()
    },
  )
})
