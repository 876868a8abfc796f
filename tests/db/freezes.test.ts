/** A freeze and the claim of a sending cannot miss each other, whichever comes first. */
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import type pg from 'pg'
import { findFreeze, freezeConnection, listOpenWritebacks, thawConnection } from '../../db/queries/freezes.ts'
import { claimSending, insertPlannedWriteback } from '../../db/queries/writebacks.ts'
import { useTestDatabase } from '../support/database.ts'
import { newWriteback, ORGANIZATION } from '../support/fixtures.ts'

const db = useTestDatabase()
const CONNECTION = 'billing'
const named = { organization: ORGANIZATION, connection: CONNECTION }
const freeze = { ...named, by: 'ops', reason: 'wrong' }

beforeAll(async () => {
  await db.database.query(
    `insert into manifests (organization, kind, name, head) values ($1, 'Connection', $2, 1), ('rival', 'Connection', $2, 1)`,
    [ORGANIZATION, CONNECTION],
  )
})

async function planned(): Promise<string> {
  const row = newWriteback({ connection: CONNECTION })
  await insertPlannedWriteback(db.database, row)
  return row.origin.writebackId
}

const claim = (
  writebackId: string,
  over: pg.Pool | pg.PoolClient = db.database,
  policies: Record<string, number> = {},
) =>
  claimSending(over, {
    writebackId,
    seenAttempt: 0,
    timeoutMs: 60_000,
    judgedBy: { connection: 1, policies },
  })

/** In a transaction that stays open until the function that comes back is called. */
async function inOpenTransaction(
  work: (client: pg.PoolClient) => Promise<unknown>,
): Promise<() => Promise<void>> {
  const client = await db.database.connect()
  await client.query('begin')
  await work(client)
  return async () => {
    await client.query('commit')
    client.release()
  }
}

describe('a freeze', () => {
  it('that is under way is waited for by a claim, which then gets nothing', async () => {
    const writebackId = await planned()
    const commit = await inOpenTransaction((client) => freezeConnection(client, freeze))
    const claiming = claim(writebackId)
    expect(await Promise.race([claiming, sleep(300, 'waits')])).toBe('waits')
    await commit()
    expect(await claiming).toBeNull()
    const held = await listOpenWritebacks(db.database, { ...named, which: 'held', limit: 10 })
    expect(held.rows.map(({ state }) => state)).toEqual(['planned'])
    await thawConnection(db.database, named)
    expect(await claim(writebackId)).toMatchObject({ attempt: 1 })
  })

  it('waits for a claim that came first', async () => {
    const writebackId = await planned()
    const commit = await inOpenTransaction((client) => claim(writebackId, client))
    const freezing = freezeConnection(db.database, freeze)
    expect(await Promise.race([freezing, sleep(300, 'waits')])).toBe('waits')
    await commit()
    expect(await freezing).toMatchObject({ frozen_by: 'ops' })
    await thawConnection(db.database, named)
  })

  it('lets none of many claims through after it', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, planned))
    const watcher = await db.database.connect()
    const countClaimed = async (): Promise<number> => {
      const { rows } = await watcher.query<{ count: number }>(
        `select count(*)::integer as count from writebacks where writeback_id = any($1) and state = 'sending'`,
        [ids],
      )
      return rows[0]?.count ?? Number.NaN
    }
    const claims = ids.map((id) => claim(id))
    await freezeConnection(watcher, freeze)
    const whenFrozen = await countClaimed()
    const claimed = (await Promise.all(claims)).filter((one) => one !== null)
    expect(claimed).toHaveLength(whenFrozen)
    expect(await countClaimed()).toBe(whenFrozen)
    watcher.release()
    await thawConnection(db.database, named)
  })

  it('holds the connection of its own organization, and no other one', async () => {
    await freezeConnection(db.database, { ...freeze, organization: 'rival' })
    expect(await claim(await planned())).toMatchObject({ attempt: 1 })
    expect(await findFreeze(db.database, named)).toMatchObject({ frozen_at: null })
    expect(await findFreeze(db.database, { ...named, connection: 'nothing' })).toBeUndefined()
    expect(await freezeConnection(db.database, { ...freeze, connection: 'nothing' })).toBeUndefined()
    expect(await thawConnection(db.database, { ...named, connection: 'nothing' })).toBe(false)
  })
})

describe('a claim', () => {
  const headOf = (kind: string, name: string, head: number) =>
    db.database.query(
      `insert into manifests (organization, kind, name, head) values ($1, $2, $3, $4)
       on conflict (organization, kind, name) do update set head = excluded.head`,
      [ORGANIZATION, kind, name, head],
    )

  it('gets nothing where its write was judged by another revision of the connection', async () => {
    const writebackId = await planned()
    await headOf('Connection', CONNECTION, 2)
    expect(await claim(writebackId)).toBeNull()
    await headOf('Connection', CONNECTION, 1)
    expect(await claim(writebackId)).toMatchObject({ attempt: 1 })
  })

  it.each([
    ['a policy less', { money: 1 }],
    ['another revision of a policy', { money: 1, rows: 2 }],
    ['a policy that is gone', { money: 1, rows: 1, more: 1 }],
  ])('gets nothing where its write was judged with %s', async (_, policies) => {
    const writebackId = await planned()
    await headOf('Policy', 'money', 1)
    await headOf('Policy', 'rows', 1)
    expect(await claim(writebackId, db.database, policies)).toBeNull()
    expect(await claim(writebackId, db.database, { rows: 1, money: 1 })).toMatchObject({ attempt: 1 })
  })
})
