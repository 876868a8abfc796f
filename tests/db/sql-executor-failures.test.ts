/**
 * A write whose target fails in the middle: never two effects, never an effect that we call failed, never a wait beyond
 * the deadline. The database is real, and between us and it stands a proxy that holds, swallows and cuts.
 */
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { useTestDatabase } from '../support/database.ts'
import {
  createSqlTarget,
  limits,
  makeTarget,
  sendingLimits,
  sqlOperation,
  storedFee,
  waive as waiving,
  word,
  type SqlTarget,
} from '../support/sql-target.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'

const target = useTestDatabase({ migrated: false })
let proxy: TcpProxy
let sql: SqlTarget

beforeAll(async () => {
  await makeTarget(target.database)
  proxy = await startTcpProxy(target.url)
})
beforeEach(() => {
  sql = createSqlTarget(() => proxy.urlThrough(target.url))
})
afterEach(async () => {
  proxy.reset()
  await sql.close()
})
afterAll(() => proxy.close())

const waive = (id: number) => sqlOperation(waiving(id))

async function count(text: string, values: unknown[] = []): Promise<number> {
  const { rows } = await target.database.query<{ count: number }>(text, values)
  return rows[0]?.count ?? -1
}
const effectsOn = (id: number) => count('select count(*)::int as count from effects where id = $1', [id])
/** Sessions of the executor, whatever they do. */
const sessions = (condition = 'true') =>
  count(
    `select count(*)::int as count from pg_stat_activity
     where datname = current_database() and application_name = 'countersign' and ${condition}`,
  )

async function until(condition: () => Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const endMs = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error('it did not come about in time')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function withLockedTable(work: () => Promise<void>): Promise<void> {
  const other = await target.database.connect()
  try {
    await other.query('begin')
    await other.query('lock table invoices in access exclusive mode')
    await work()
  } finally {
    await other.query('rollback')
    other.release()
  }
}

describe('the answer to COMMIT is lost', () => {
  it.each(['swallowed', 'cut', 'nonsense'])(
    '(%s): lost, and the next attempt finds what was done',
    async (how) => {
      const id = { swallowed: 2, cut: 1, nonsense: 8 }[how] ?? 0
      const apply = await sql.prepare(waive(id))
      proxy.swallowAnswersAfter('commit')
      const sending = apply(limits(how === 'swallowed' ? 700 : 5_000))
      await proxy.patternSeen()
      await until(async () => (await effectsOn(id)) === 1)
      if (how === 'cut') proxy.cut()
      if (how === 'nonsense') proxy.say(Buffer.from('nonsense'))
      expect(word(await sending)).toBe('lost: CALL_INTERRUPTED')
      proxy.reset()
      expect(await apply()).toMatchObject({ status: 'already_applied', output: { fee: '0.00' } })
      expect(await effectsOn(id)).toBe(1)
    },
  )

  it.each([
    ['in time: that one waits for it, and finds what it did', 100, 'already_applied'],
    ['when the server has given it up: that one applies', 1_500, 'applied'],
  ])('and COMMIT arrives after the next attempt has begun, %s', async (_when, lateByMs, expected) => {
    const id = expected === 'applied' ? 3 : 13
    const direct = createSqlTarget(() => target.url)
    await target.database.query(`update invoices set tenant = 'acme' where id = 13`)
    const planned = await direct.executor.plan(waive(id), limits())
    const attempt = {
      key: `csk_late_${id}`,
      writebackId: 'w',
      digest: 'd',
      stored: planned.stored,
      preconditions: planned.preconditions,
    }
    const before = await effectsOn(id)
    proxy.hideHangUps()
    proxy.holdFrom('commit')
    const first = sql.executor.apply(waive(id), { ...attempt, ...sendingLimits(800) })
    await proxy.patternSeen()
    const second = direct.executor.apply(waive(id), { ...attempt, ...sendingLimits() })
    await until(async () => (await sessions(`wait_event_type = 'Lock'`)) === 1)
    setTimeout(() => proxy.release('toServer'), lateByMs)
    expect(word(await second)).toBe(expected)
    expect(word(await first)).toBe(expected === 'applied' ? 'lost: CALL_INTERRUPTED' : 'applied')
    expect(await effectsOn(id)).toBe(before + 1)
    await direct.close()
  })
})

describe('an error as the answer to COMMIT', () => {
  /** A check at the end of the transaction, which fails with this SQLSTATE. */
  async function failingAtCommit(sqlState: string, work: () => Promise<void>): Promise<void> {
    await target.database.query(`
      create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'not so' using errcode = '${sqlState}'; end $$;
      create constraint trigger refuse after update on invoices deferrable initially deferred
        for each row execute function refuse();`)
    try {
      await work()
    } finally {
      await target.database.query('drop trigger refuse on invoices; drop function refuse()')
    }
  }

  it.each([
    ['P0001', 'not_done: WRITE_FAILED'],
    ['23514', 'not_done: WRITE_FAILED'],
    ['40001', 'not_done: WRITE_NOT_SENT'],
    ['XX000', 'lost: CALL_INTERRUPTED'],
    ['58000', 'lost: CALL_INTERRUPTED'],
    ['40003', 'lost: CALL_INTERRUPTED'],
  ])('%s: %s', async (sqlState, expected) => {
    const apply = await sql.prepare(waive(9))
    const before = await effectsOn(9)
    await failingAtCommit(sqlState, async () => expect(word(await apply())).toBe(expected))
    expect(await effectsOn(9)).toBe(before)
  })
})

describe('a break before COMMIT', () => {
  it.each([
    'insert into countersign_receipts',
    'for update',
    'update "public"',
    'update countersign_receipts',
  ])('at `%s`: surely not sent, no effect, and the next attempt applies', async (statement) => {
    const apply = await sql.prepare(waive(4))
    const before = await effectsOn(4)
    proxy.holdFrom(statement)
    const sending = apply()
    await proxy.patternSeen()
    proxy.cut()
    expect(word(await sending)).toBe('not_sent: WRITE_NOT_SENT')
    proxy.reset()
    expect(await effectsOn(4)).toBe(before)
    expect(word(await apply())).toBe('applied')
    expect(await effectsOn(4)).toBe(before + 1)
  })

  it('does not end the process when the server ends the session of a statement', async () => {
    const apply = await sql.prepare(waive(5))
    await withLockedTable(async () => {
      const sending = apply()
      await until(async () => (await sessions(`wait_event_type = 'Lock'`)) === 1)
      await target.database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      )
      expect(word(await sending)).toBe('not_sent: WRITE_NOT_SENT')
    })
    expect(word(await apply())).toBe('applied')
  })
})

describe('the deadline', () => {
  it('ends a wait for a lock, without an effect, then or later', async () => {
    const apply = await sql.prepare(waive(6))
    const startMs = Date.now()
    await withLockedTable(async () => {
      expect(word(await apply(limits(500)))).toMatch(/^not_sent: /)
      expect(Date.now() - startMs).toBeLessThan(5_000)
    })
    await until(async () => (await sessions(`state <> 'idle'`)) === 0)
    expect(await effectsOn(6)).toBe(0)
    expect(
      await count('select count(*)::int as count from countersign_receipts where writeback_id = $1', ['6']),
    ).toBe(0)
    expect(word(await apply())).toBe('applied')
  })

  it('ends a transaction whose client the server will never hear of again', async () => {
    const apply = await sql.prepare(waive(7))
    proxy.hideHangUps()
    proxy.holdFrom('for update')
    expect(word(await apply(limits(600)))).toBe('not_sent: WRITE_NOT_SENT')
    await until(async () => (await sessions(`state = 'idle in transaction'`)) === 0, 20_000)
    const direct = createSqlTarget(() => target.url)
    expect(word(await (await direct.prepare(waive(7)))())).toBe('applied')
    await direct.close()
  })

  it('holds for a server that accepts and says nothing', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as AddressInfo
    const mute = createSqlTarget(() => `postgres://nobody@127.0.0.1:${port}/none`)
    const startMs = Date.now()
    const answer = await mute.executor.apply(waive(1), {
      key: 'k',
      writebackId: 'w',
      digest: 'd',
      stored: storedFee(1),
      preconditions: {},
      ...sendingLimits(300),
    })
    expect(word(answer)).toBe('not_sent: CONNECTION_NOT_READY')
    expect(Date.now() - startMs).toBeLessThan(5_000)
    silent.close()
  })

  it('has passed before anything began: nothing is sent', async () => {
    const apply = await sql.prepare(waive(8))
    const before = await effectsOn(8)
    expect(word(await apply(limits(-1)))).toBe('not_sent: CONNECTION_NOT_READY')
    expect(await effectsOn(8)).toBe(before)
  })

  it('of a plan, and its cancellation, end the looking', async () => {
    await withLockedTable(async () => {
      const late = sql.executor.plan(waive(8), limits(300))
      await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/READY|NOT_SENT/) as string })
      const controller = new AbortController()
      const startMs = Date.now()
      const cancelled = sql.executor.plan(waive(8), { ...limits(), signal: controller.signal })
      setTimeout(() => controller.abort(), 50)
      await expect(cancelled).rejects.toMatchObject({ code: 'CONNECTION_NOT_READY' })
      expect(Date.now() - startMs).toBeLessThan(5_000)
    })
  })
})
