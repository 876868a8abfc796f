/** Receipts are as large as what they tell of: of a page, no more is read than it shows, and one more. */
import { randomBytes, randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Queryable } from '../../db/database.ts'
import { listReceiptsOfRun, loadChainPage, searchReceipts } from '../../db/queries/receipts.ts'
import { useTestDatabase } from '../support/database.ts'
import { ORGANIZATION } from '../support/fixtures.ts'
import { readChain } from '../support/receipt-chain.ts'

const db = useTestDatabase()
const newRun = (): string => `run_${randomUUID()}`

const MB = 1024 * 1024
const PAGE_BYTES = 4 * MB

/** As somebody's writes leave them; only their size counts. They do not compress. */
async function insertLarge(runId: string, sizes: readonly number[]): Promise<void> {
  for (const [index, bytes] of sizes.entries()) {
    const payload = randomBytes((bytes / 4) * 3).toString('base64')
    await db.database.query(
      `insert into receipts (receipt_id, organization, run_id, seq, subject, kind, sha256, envelope)
       values ($1, $2, $3, $4, $1, 'outcome', repeat('0', 64), $5::jsonb)`,
      [
        `rcp_${randomUUID()}`,
        ORGANIZATION,
        runId,
        index + 1,
        JSON.stringify({ payload, payloadType: 'x', signatures: [] }),
      ],
    )
  }
}

const seqs = (rows: readonly { seq: number }[]): number[] => rows.map(({ seq }) => seq)
const newestFirst = (runId: string, limit = 100) =>
  searchReceipts(db.database, { organization: ORGANIZATION, runId, limit })

/** Blocks of the database that the statements of `read` went through, as PostgreSQL counts them. */
async function blocksRead(read: (db: Queryable) => Promise<unknown>): Promise<number> {
  let blocks = 0
  const explaining = {
    query: async (text: string, values: unknown[]) => {
      const { rows } = await db.database.query<{ 'QUERY PLAN': [{ Plan: Record<string, number> }] }>(
        `explain (analyze, buffers, format json) ${text}`,
        values,
      )
      const plan = rows[0]?.['QUERY PLAN'][0].Plan ?? {}
      blocks += (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0)
      return db.database.query(text, values)
    },
  }
  await read(explaining as unknown as Queryable)
  return blocks
}

describe('a page of receipts', () => {
  it('ends early where its receipts are too large together, and has at least one', async () => {
    const runId = newRun()
    await insertLarge(runId, [1.5 * MB, 1.5 * MB, 1.5 * MB, 6 * MB, 1000, 1000])
    const about = { organization: ORGANIZATION, runId, limit: 100 }
    const chainPages = []
    for (const after of [0, 2, 3, 4]) {
      const { rows, isCut } = await loadChainPage(db.database, { ...about, after })
      chainPages.push([seqs(rows), isCut])
      if (rows.length > 1) expect(JSON.stringify(rows).length).toBeLessThan(PAGE_BYTES)
    }
    expect(chainPages).toEqual([
      [[1, 2], true],
      [[3], true],
      [[4], true],
      [[5, 6], false],
    ])
    const { receipts, heads } = await readChain(db.database, { organization: ORGANIZATION, runId })
    expect([seqs(receipts), heads.length]).toEqual([[1, 2, 3, 4, 5, 6], 4])
    const newest = await newestFirst(runId)
    expect([seqs(newest.rows), newest.isCut]).toEqual([[6, 5], true])
  })

  it('is given of a chain that PostgreSQL could not give as one value', async () => {
    const runId = newRun()
    await db.database.query(
      `insert into receipts (receipt_id, organization, run_id, seq, subject, kind, sha256, envelope)
       select 'rcp_large_' || n, $1, $2, n, 'wb_large_' || n, 'outcome', repeat('0', 64),
         jsonb_build_object('payload', repeat('x', 4700000), 'payloadType', 'x', 'signatures', '[]'::jsonb)
       from generate_series(1, 58) n`,
      [ORGANIZATION, runId],
    )
    const about = { organization: ORGANIZATION, runId, limit: 101 }
    expect(seqs((await loadChainPage(db.database, about)).rows)).toEqual([1])
    const last = await loadChainPage(db.database, { ...about, after: 57 })
    expect([seqs(last.rows), last.isCut]).toEqual([[58], false])
    expect((await listReceiptsOfRun(db.database, { ...about, limit: 200 })).rows.length).toBe(58)
  })

  it('of as many as were asked for says that there are more', async () => {
    const runId = newRun()
    await insertLarge(runId, [400, 400, 400])
    const asked = { organization: ORGANIZATION, runId, limit: 2 }
    expect(seqs((await loadChainPage(db.database, asked)).rows)).toEqual([1, 2])
    expect(seqs((await newestFirst(runId, 2)).rows)).toEqual([3, 2])
    const { receipts, heads } = await readChain(db.database, { ...asked, pageRows: 1 })
    expect([seqs(receipts), heads.length]).toEqual([[1, 2, 3], 3])
  })

  it('has read no more than it shows, and one more', async () => {
    const runId = newRun()
    await insertLarge(
      runId,
      Array.from({ length: 20 }, () => 1.5 * MB),
    )
    const all = await blocksRead(async (tx) => {
      await tx.query(`select sum(octet_length(envelope::text)) from receipts where run_id = $1`, [runId])
    })
    const about = { organization: ORGANIZATION, runId, limit: 100 }
    for (const read of [
      (tx: Queryable) => loadChainPage(tx, about),
      (tx: Queryable) => searchReceipts(tx, about),
    ]) {
      // Of two that are shown, and of the third, the size was looked at; two are shown.
      expect(await blocksRead(read)).toBeLessThan((all / 20) * 6)
    }
    expect(await blocksRead((tx) => listReceiptsOfRun(tx, { ...about, limit: 200 }))).toBeLessThan(all / 20)
  })
})

describe('the receipts that a run mentions', () => {
  it('are the last ones in their order, without what they say', async () => {
    const runId = newRun()
    await insertLarge(runId, [400, 400, 400])
    const { rows, isCut } = await listReceiptsOfRun(db.database, {
      organization: ORGANIZATION,
      runId,
      limit: 2,
    })
    expect(rows.map(({ seq }) => seq)).toEqual([2, 3])
    expect(isCut).toBe(true)
    expect(Object.keys(rows[0] ?? {}).toSorted()).toEqual(['id', 'kind', 'seq', 'sha256', 'subject'])
  })
})
