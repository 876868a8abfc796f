/** Receipts in the database: numbered without gaps and chained, whoever writes at the same time. */
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { issueReceipt, type ReceiptContent } from '../../activities/receipts.ts'
import { inTransaction } from '../../db/database.ts'
import { findReceipt } from '../../db/queries/receipts.ts'
import { receiptDigest, verifyReceipts } from '../../lib/receipts.ts'
import type { ReceiptRef } from '../../schemas/run.ts'
import { useTestDatabase } from '../support/database.ts'
import { decision, DIGEST, makeKeys, NOON_MS, ORGANIZATION, signedDecision } from '../support/fixtures.ts'
import { readChain } from '../support/receipt-chain.ts'

const db = useTestDatabase()
const keys = makeKeys()
const newRun = (): string => `run_${randomUUID()}`

function outcomeOf(runId: string, over: Partial<ReceiptContent> = {}): ReceiptContent {
  const subject = `wb_${randomUUID()}`
  return {
    organization: ORGANIZATION,
    runId,
    kind: 'outcome',
    subject,
    digest: DIGEST,
    facts: { status: 'applied', how: 'answered', answerSha256: null },
    ...over,
  }
}

function decisionIn(runId: string): ReceiptContent {
  const { decisionId, writebackId, principal, verdict, method, ...rest } = decision()
  const signed = signedDecision(
    { decisionId, writebackId, principal, verdict, method, ...rest },
    keys.decision,
  )
  const facts = { writebackId, principal, verdict, method, decision: signed }
  return outcomeOf(runId, { kind: 'decision', subject: decisionId, facts })
}

const issue = (content: ReceiptContent): Promise<ReceiptRef> =>
  inTransaction(db.database, async (tx) => (await issueReceipt(tx, content, keys.receipt, NOON_MS)).receipt)

const headOf = async (runId: string) =>
  (await readChain(db.database, { organization: ORGANIZATION, runId })).head

async function verify(runId: string, pageRows?: number): Promise<{ count: number; problems: unknown[] }> {
  const { receipts, head } = await readChain(db.database, {
    organization: ORGANIZATION,
    runId,
    ...(pageRows && { pageRows }),
  })
  const envelopes = receipts.map(({ envelope }) => envelope)
  return {
    count: receipts.length,
    problems: verifyReceipts(envelopes, keys.trusted, head ?? undefined).problems,
  }
}

describe('a receipt', () => {
  it('is the first of its run, and the next one follows from it', async () => {
    const runId = newRun()
    expect(await headOf(runId)).toBeNull()
    const [first, second] = [await issue(decisionIn(runId)), await issue(outcomeOf(runId))]
    expect([first.seq, second.seq]).toEqual([1, 2])
    expect(first.id).toMatch(/^rcp_[0-9a-f]{32}$/)
    expect(await headOf(runId)).toEqual({ seq: 2, sha256: second.sha256 })
    const { receipts: listed } = await readChain(db.database, { organization: ORGANIZATION, runId })
    expect(listed.map(({ envelope: _kept, ...ref }) => ref)).toEqual([first, second])
    expect(listed.map(({ envelope }) => receiptDigest(envelope))).toEqual([first.sha256, second.sha256])
    expect(await verify(runId)).toEqual({ count: 2, problems: [] })
    expect((await readChain(db.database, { organization: 'rival', runId })).receipts).toEqual([])
  })

  it('about the same thing is the same receipt', async () => {
    const content = outcomeOf(newRun())
    const first = await issue(content)
    expect(await issue({ ...content, facts: { status: 'failed' } })).toEqual(first)
    const refs = await Promise.all(Array.from({ length: 8 }, () => issue(content)))
    expect(new Set(refs.map(({ id }) => id))).toEqual(new Set([first.id]))
    expect(await findReceipt(db.database, { subject: content.subject, kind: 'outcome' })).toEqual(first)
    expect(await findReceipt(db.database, { subject: content.subject, kind: 'decision' })).toBeUndefined()
  })

  it('of what was rolled back is none, and leaves no gap', async () => {
    const runId = newRun()
    await issue(outcomeOf(runId))
    const failing = inTransaction(db.database, async (tx) => {
      await issueReceipt(tx, outcomeOf(runId), keys.receipt, NOON_MS)
      throw new Error('on purpose')
    })
    await expect(failing).rejects.toThrow('on purpose')
    expect(await issue(outcomeOf(runId))).toMatchObject({ seq: 2 })
    expect(await verify(runId)).toEqual({ count: 2, problems: [] })
  })

  it('that is the first to fail leaves a chain without a head', async () => {
    const runId = newRun()
    const failing = inTransaction(db.database, async (tx) => {
      await issueReceipt(tx, outcomeOf(runId), keys.receipt, NOON_MS)
      throw new Error('on purpose')
    })
    await expect(failing).rejects.toThrow('on purpose')
    expect(await headOf(runId)).toBeNull()
  })
})

describe('a chain that grows while its pages are read', () => {
  it('verifies with the head of the last page, and with no other', async () => {
    const runId = newRun()
    for (let index = 0; index < 4; index++) await issue(outcomeOf(runId))
    const betweenPages = async (): Promise<void> => {
      await issue(outcomeOf(runId))
    }
    const about = { organization: ORGANIZATION, runId }
    const { receipts, heads } = await readChain(db.database, { ...about, pageRows: 2, betweenPages })
    expect(heads.map((head) => head?.seq)).toEqual([4, 5, 6])
    const envelopes = receipts.map(({ envelope }) => envelope)
    const problemsWith = heads.map(
      (head) => verifyReceipts(envelopes, keys.trusted, head ?? undefined).problems.length,
    )
    expect(problemsWith).toEqual([1, 1, 0])
  })
})

describe('fifty writers at once', () => {
  it.each([
    ['one page', 100],
    ['pages of three', 3],
  ])('are read in %s as a chain that verifies, at each moment', async (_what, pageRows) => {
    const runId = newRun()
    const counts: number[] = []
    // A reader of small pages does not catch up with writers who never rest: each round has an end.
    for (const round of [1, 2, 3]) {
      let isOver = false
      const writing = Promise.all(Array.from({ length: 50 }, () => issue(outcomeOf(runId)))).finally(() => {
        isOver = true
      })
      while (!isOver) {
        const { count, problems } = await verify(runId, pageRows)
        if (count > 0) expect(problems).toEqual([])
        counts.push(count)
      }
      await writing
      expect(await verify(runId, pageRows)).toEqual({ count: 50 * round, problems: [] })
    }
    expect(new Set(counts).size).toBeGreaterThan(2)
  })

  it('leave a chain without gaps that verifies, some of them failing', async () => {
    const runId = newRun()
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        inTransaction(db.database, async (tx) => {
          const content = i % 2 === 0 ? outcomeOf(runId) : decisionIn(runId)
          const { receipt } = await issueReceipt(tx, content, keys.receipt, NOON_MS + i)
          if (i % 5 === 0) throw new Error('on purpose')
          return receipt.seq
        }),
      ),
    )
    const numbers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1))
    expect(await verify(runId)).toEqual({ count: 40, problems: [] })
  })

  it('about the same few things leave one receipt for each', async () => {
    const runId = newRun()
    const contents = Array.from({ length: 5 }, () => outcomeOf(runId))
    const refs = await Promise.all(
      Array.from({ length: 50 }, (_, i) => issue(contents[i % 5] ?? outcomeOf(runId))),
    )
    expect(new Set(refs.map(({ id }) => id)).size).toBe(5)
    expect(await verify(runId)).toEqual({ count: 5, problems: [] })
  })

  it('in different runs do not wait for each other', async () => {
    const [slow, fast] = [newRun(), newRun()]
    await inTransaction(db.database, async (tx) => {
      await issueReceipt(tx, outcomeOf(slow), keys.receipt, NOON_MS)
      expect(await issue(outcomeOf(fast))).toMatchObject({ seq: 1 })
    })
    expect(await verify(slow)).toEqual({ count: 1, problems: [] })
  })
})

describe('a chain that somebody with the database has changed', () => {
  it.each([
    ['deletes the last', `delete from receipts where run_id = $1 and seq = 3`],
    ['deletes one in the middle', `delete from receipts where run_id = $1 and seq = 2`],
    ['changes a number', `update receipts set seq = 9 where run_id = $1 and seq = 2`],
    [
      'changes a payload',
      `update receipts set envelope = jsonb_set(envelope, '{payload}', '"e30="') where run_id = $1 and seq = 1`,
    ],
    [
      'moves one to another run',
      `update receipts set run_id = 'run_elsewhere' where run_id = $1 and seq = 3`,
    ],
  ])('is found out: %s', async (_what, statement) => {
    const runId = newRun()
    for (let i = 0; i < 3; i++) await issue(outcomeOf(runId))
    await db.database.query(statement, [runId])
    expect((await verify(runId)).problems).not.toEqual([])
  })
})
