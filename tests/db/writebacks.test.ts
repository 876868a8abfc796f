/** The ledger: every change of state names the one it comes from, so that of several attempts at most one wins. */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, inTransaction, type Database } from '../../db/database.ts'
import { loadCallContext } from '../../db/queries/call-facts.ts'
import {
  claimSending,
  closeWriteback,
  findWriteback,
  insertPlannedWriteback,
  listWritebacks,
  releaseSending,
  updateRequirement,
  type WritebackRow,
} from '../../db/queries/writebacks.ts'
import { useTestDatabase } from '../support/database.ts'
import {
  BY_NOTHING,
  at,
  newWriteback,
  ORGANIZATION,
  origin,
  OTHER_DIGEST,
  outcome,
  requirement,
} from '../support/fixtures.ts'

const db = useTestDatabase()
const TIMEOUT_MS = 60_000
/** The ledger keeps what was signed, and does not read it. */
const SIGNED = { payloadType: 'x', payload: '', signatures: [{ keyid: 'k', sig: '' }] }
/** The same database at other times. */
const clocks = new Map<number, Database>()

function databaseAt(minutes: number): Database {
  const known = clocks.get(minutes)
  if (known) return known
  const url = new URL(db.url)
  url.searchParams.set('options', `-c countersign.now=${at(minutes)}`)
  const database = createDatabase(url.toString())
  clocks.set(minutes, database)
  return database
}

beforeAll(() => databaseAt(0))
afterAll(() => Promise.all([...clocks.values()].map((database) => database.end())))

async function plan(over: Parameters<typeof newWriteback>[0] = {}): Promise<string> {
  const row = newWriteback(over)
  await insertPlannedWriteback(databaseAt(0), row)
  return row.origin.writebackId
}

const claim = (writebackId: string, seenAttempt = 0, minutes = 0) =>
  claimSending(databaseAt(minutes), { writebackId, seenAttempt, timeoutMs: TIMEOUT_MS, judgedBy: BY_NOTHING })

async function rowOf(writebackId: string): Promise<WritebackRow> {
  const row = await findWriteback(db.database, { organization: ORGANIZATION, writebackId })
  if (!row) throw new Error(`no writeback ${writebackId}`)
  return row
}

describe('a planned write', () => {
  it('is as it was planned', async () => {
    const planned = newWriteback({ requirement: requirement() })
    await insertPlannedWriteback(db.database, planned)
    const { writebackId, runId } = planned.origin
    expect(await rowOf(writebackId)).toMatchObject({
      writeback_id: writebackId,
      run_id: runId,
      state: 'planned',
      attempt: 0,
      deadline_at: null,
      outcome: null,
      requester: planned.requester,
      requirement: requirement(),
      preview: planned.preview,
      plan: planned.plan,
    })
  })

  it('stays as it was planned first: people may have seen it', async () => {
    const first = newWriteback()
    await insertPlannedWriteback(db.database, first)
    await insertPlannedWriteback(db.database, { ...first, digest: OTHER_DIGEST })
    expect(await rowOf(first.origin.writebackId)).toMatchObject({ digest: first.digest })
  })

  it('is seen by the door and by its own organization', async () => {
    const writebackId = await plan()
    const params = { organization: ORGANIZATION, connection: 'billing', writebackId }
    const context = await loadCallContext(db.database, params)
    expect(context).toMatchObject({ writeback: await rowOf(writebackId), remaining_ms: null })
    await claim(writebackId)
    const remaining = async (minutes: number) =>
      (await loadCallContext(databaseAt(minutes), params)).remaining_ms
    expect([await remaining(0.25), await remaining(2)]).toEqual([45_000, -60_000])
    expect((await loadCallContext(db.database, { ...params, organization: 'rival' })).writeback).toBeNull()
    expect(await findWriteback(db.database, { organization: 'rival', writebackId })).toBeUndefined()
  })

  it('may be asked something else for than before', async () => {
    const writebackId = await plan()
    const stricter = requirement({ identity: 'verified' })
    await updateRequirement(db.database, { writebackId, requirement: stricter })
    expect((await rowOf(writebackId)).requirement).toEqual(stricter)
    await claim(writebackId)
    await updateRequirement(db.database, { writebackId, requirement: requirement() })
    expect((await rowOf(writebackId)).requirement).toEqual(stricter)
  })
})

describe('the right to send', () => {
  it('is won by one of many who ask at the same time', async () => {
    const writebackId = await plan()
    const claims = await Promise.all(Array.from({ length: 20 }, () => claim(writebackId)))
    const won = claims.filter((one) => one !== null)
    expect(won).toEqual([{ attempt: 1, deadline_at: new Date(at(1)), updated_at: new Date(at(0)) }])
    expect(await rowOf(writebackId)).toMatchObject({ state: 'sending', attempt: 1 })
  })

  it('cannot be had again before its deadline, nor at it, but after it', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    expect(await claim(writebackId, 1, 0.5)).toBeNull()
    expect(await claim(writebackId, 1, 1)).toBeNull()
    expect(await claim(writebackId, 1, 1.001)).toMatchObject({ attempt: 2 })
  })

  it('is taken over by one only', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    const claims = await Promise.all(Array.from({ length: 20 }, () => claim(writebackId, 1, 5)))
    expect(claims.filter((one) => one !== null)).toMatchObject([{ attempt: 2 }])
  })

  it('is not given to who has seen an earlier attempt', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    await claim(writebackId, 1, 5)
    expect(await claim(writebackId, 0, 60)).toBeNull()
    expect(await claim(writebackId, 1, 60)).toBeNull()
    expect(await claim(writebackId, 3, 60)).toBeNull()
  })

  it('is given back by the attempt that has it, and by no other', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    await releaseSending(db.database, { writebackId, attempt: 2, signed: SIGNED })
    expect((await rowOf(writebackId)).state).toBe('sending')
    await releaseSending(db.database, { writebackId, attempt: 1, signed: SIGNED })
    expect(await rowOf(writebackId)).toMatchObject({ state: 'planned', attempt: 1, deadline_at: null })
    expect(await claim(writebackId, 0)).toBeNull()
    expect(await claim(writebackId, 1)).toMatchObject({ attempt: 2 })
  })

  it('is taken back by others only when its deadline has passed', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    const { updated_at: claimedAt } = await rowOf(writebackId)
    const release = (minutes: number, overdue = { claimedAt }) =>
      releaseSending(databaseAt(minutes), { writebackId, attempt: 1, signed: SIGNED, overdue })
    expect(await release(2, { claimedAt: at(1) })).toBe(false)
    expect([await release(0.5), await release(1)]).toEqual([false, false])
    expect((await rowOf(writebackId)).state).toBe('sending')
    expect(await release(1.001)).toBe(true)
    expect(await rowOf(writebackId)).toMatchObject({ state: 'planned', signed_release: SIGNED })
  })

  it('is not taken back as of a time that is still to come', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    const claimedAt = at(60)
    await db.database.query(`update writebacks set updated_at = $2 where writeback_id = $1`, [
      writebackId,
      claimedAt,
    ])
    const released = { writebackId, attempt: 1, signed: SIGNED, overdue: { claimedAt } }
    expect(await releaseSending(databaseAt(2), released)).toBe(false)
  })

  it('is not there for a write that is over', async () => {
    const writebackId = await plan()
    await closeWriteback(db.database, {
      outcome: outcome(writebackId, { status: 'withdrawn' }),
      from: 'planned',
    })
    expect(await claim(writebackId)).toBeNull()
    await releaseSending(db.database, { writebackId, attempt: 0, signed: SIGNED })
    expect((await rowOf(writebackId)).state).toBe('withdrawn')
  })
})

describe('the end of a write', () => {
  it('comes from the attempt that has sent, and from no other', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    await claim(writebackId, 1, 5)
    const close = (attempt: number) =>
      closeWriteback(db.database, { outcome: outcome(writebackId), from: 'sending', attempt })
    expect(await close(1)).toBe(false)
    expect((await rowOf(writebackId)).state).toBe('sending')
    expect(await close(2)).toBe(true)
    expect(await rowOf(writebackId)).toMatchObject({
      state: 'applied',
      deadline_at: null,
      outcome: outcome(writebackId),
    })
    expect(await close(2)).toBe(false)
  })

  it('comes from others only when the deadline of the attempt has passed', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    const unknown = outcome(writebackId, { status: 'unknown' })
    const close = (minutes: number) =>
      closeWriteback(databaseAt(minutes), { outcome: unknown, from: 'sending', attempt: 1, isOverdue: true })
    expect([await close(0.5), await close(1), await close(1.001)]).toEqual([false, false, true])
  })

  it('does not come from planned once it is sent, nor from sending while it is planned', async () => {
    const writebackId = await plan()
    const withdrawn = outcome(writebackId, { status: 'withdrawn' })
    expect(await closeWriteback(db.database, { outcome: withdrawn, from: 'sending', attempt: 0 })).toBe(false)
    await claim(writebackId)
    expect(await closeWriteback(db.database, { outcome: withdrawn, from: 'planned' })).toBe(false)
    expect((await rowOf(writebackId)).state).toBe('sending')
  })

  it('is one, however many would end it', async () => {
    const writebackId = await plan()
    await claim(writebackId)
    const ends = (['applied', 'unknown', 'conflict', 'failed'] as const).map((status) =>
      closeWriteback(db.database, { outcome: outcome(writebackId, { status }), from: 'sending', attempt: 1 }),
    )
    expect((await Promise.all(ends)).filter(Boolean)).toHaveLength(1)
  })

  it('is not there if its transaction was rolled back', async () => {
    const writebackId = await plan()
    const failing = inTransaction(db.database, async (tx) => {
      await closeWriteback(tx, { outcome: outcome(writebackId, { status: 'withdrawn' }), from: 'planned' })
      throw new Error('on purpose')
    })
    await expect(failing).rejects.toThrow('on purpose')
    expect((await rowOf(writebackId)).state).toBe('planned')
  })
})

describe('what the table itself refuses', () => {
  it.each([
    ['an end without an outcome', `update writebacks set state = 'applied' where writeback_id = $1`],
    ['an outcome without an end', `update writebacks set outcome = '{}' where writeback_id = $1`],
    ['sending without a deadline', `update writebacks set state = 'sending' where writeback_id = $1`],
    ['a deadline without sending', `update writebacks set deadline_at = now() where writeback_id = $1`],
    ['an unknown state', `update writebacks set state = 'approved' where writeback_id = $1`],
  ])('%s', async (_what, statement) => {
    const writebackId = await plan()
    await expect(db.database.query(statement, [writebackId])).rejects.toMatchObject({ code: '23514' })
  })
})

describe('a list', () => {
  it('goes newest first, page by page, and loses none that were made in the same moment', async () => {
    const organization = `org-${randomUUID().slice(0, 8)}`
    const runId = `run_${randomUUID()}`
    for (let i = 0; i < 7; i++) {
      const writebackId = `wb_${randomUUID()}`
      await insertPlannedWriteback(
        databaseAt(i < 4 ? 0 : 1),
        newWriteback({ organization, origin: origin({ writebackId, runId }) }),
      )
    }
    await insertPlannedWriteback(databaseAt(0), newWriteback({ organization }))
    const seen: WritebackRow[] = []
    for (;;) {
      const last = seen.at(-1)
      const before = last && { createdAt: last.created_at, id: last.writeback_id }
      const { rows } = await listWritebacks(db.database, { organization, runId, limit: 2, before })
      if (rows.length === 0) break
      seen.push(...rows)
    }
    expect(seen).toHaveLength(7)
    expect(new Set(seen.map(({ writeback_id }) => writeback_id)).size).toBe(7)
    expect(seen.map(({ created_at }) => Date.parse(created_at))).toEqual(
      seen.map(({ created_at }) => Date.parse(created_at)).toSorted((a, b) => b - a),
    )
    const whole = await listWritebacks(db.database, { organization, limit: 50 })
    expect(whole).toMatchObject({ rows: { length: 8 }, isCut: false })
  })
})
