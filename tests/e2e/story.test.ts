/**
 * The late fee, from the event to the receipts, on data that differs each time. `SEEDS=7,8 npx vitest run …` plays given
 * seeds again.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { verifyReceipts } from '../../lib/receipts.ts'
import type { Client as ApiClient } from '../../sdk/client/index.ts'
import { codeOf, finished } from '../support/attack-world.ts'
import { eventually, startLateFeeWorld, type LateFeeWorld } from '../support/late-fee-world.ts'

const seeds = process.env['SEEDS']?.split(',').map(Number) ?? randomSeeds(3)

describe.each(seeds)('a disputed invoice of seed %i', (seed) => {
  let story: LateFeeWorld
  let lead: ApiClient
  let before: Tables

  beforeAll(async () => {
    console.log(`seed ${seed}`)
    story = await startLateFeeWorld(seed)
    lead = await story.world.as('lena@acme.example', ['billing-lead'])
    before = await tablesOf(story)
  })

  afterAll(() => story.close())

  test('is read, waits for a lead, is changed once, and leaves receipts', async () => {
    const { disputeId, invoiceId, lateFeeCents } = story.facts.disputed
    await story.fire()
    const approval = await eventually(async () => (await lead.listApprovals({})).items[0])
    expect(approval.preview.changes).toEqual([{ field: 'late_fee_cents', before: lateFeeCents, after: 0 }])
    expect(await tablesOf(story)).toEqual(before)
    await lead.decideApproval({
      approval_id: approval.approval_id,
      verdict: 'approve',
      digest: approval.digest,
    })
    const run = await finished(story.world, approval.run_id)
    expect(run.result).toEqual({ invoice_id: invoiceId, waived: true, waived_cents: lateFeeCents })
    expect(await changesSince(story, before)).toEqual([[invoiceId, { late_fee_cents: 0 }]])
    const note = readFileSync(join(story.notesFolder, `${disputeId}.md`), 'utf8')
    expect(note).toContain(invoiceId)
    expect(note).toContain(`${lateFeeCents} cents`)
  })

  test('comes a second time, and a third at once, and starts nothing', async () => {
    const runs = (await story.world.admin.listRuns({})).items.length
    const after = await tablesOf(story)
    await Promise.all([story.fire(), story.fire()])
    expect((await story.world.admin.listRuns({})).items).toHaveLength(runs)
    expect((await lead.listApprovals({})).items).toEqual([])
    expect(await tablesOf(story)).toEqual(after)
  })

  test('leaves receipts that verify with the public keys alone, and that the run’s writebacks name', async () => {
    const [head] = (await story.world.admin.listRuns({})).items
    const run = await story.world.admin.getRun({ run_id: head?.run_id ?? '' })
    const { receipts, head: chain } = await story.world.admin.listReceipts({ run_id: run.run_id })
    const keys = loadTrustedKeys(publicKeysFile(story.world.keysFolder))
    const envelopes = receipts.map(({ envelope }) => envelope)
    const { statements, problems } = verifyReceipts(envelopes, keys, chain ?? undefined)
    expect(problems).toEqual([])
    expect(statements.map(({ predicate }) => predicate['verdict'] ?? predicate['status'])).toEqual([
      'approve',
      'applied',
      'applied',
    ])
    const decision = statements[0]?.predicate
    expect(decision).toMatchObject({ principal: 'lena@acme.example', runId: run.run_id })
    const named = run.writebacks.map(({ outcome }) => outcome?.receipt.id)
    expect(new Set(named)).toEqual(new Set(receipts.slice(1).map(({ id }) => id)))
    // What the lead saw is what was applied: one digest all the way.
    const waive = run.writebacks.find(({ path }) => path === 'waive')
    expect(statements[1]?.subject[0]?.digest.sha256).toBe(waive?.digest)
    expect(statements[0]?.subject[0]?.digest.sha256).toBe(waive?.digest)
  })

  test('of a customer who forgot to pay ends without a write, and asks nobody', async () => {
    const after = await tablesOf(story)
    await story.fire(story.facts.notEligible)
    const run = await newestRun(story, 2)
    expect(run.state).toBe('completed')
    expect(run.result).toEqual({
      invoice_id: story.facts.notEligible.invoiceId,
      waived: false,
      waived_cents: 0,
    })
    expect([run.writebacks, run.approvals, run.receipts]).toEqual([[], [], []])
    expect(await tablesOf(story)).toEqual(after)
    expect(readdirSync(story.notesFolder)).not.toContain(`${story.facts.notEligible.disputeId}.md`)
  })

  test('of another tenant is not even read', async () => {
    const after = await tablesOf(story)
    await story.fire(story.facts.foreign)
    const run = await newestRun(story, 3)
    expect(run.state).toBe('failed')
    expect(run.failure?.code).toBe('TOOL_FAILED')
    expect(JSON.stringify(run)).not.toContain(story.facts.foreign.customerName)
    expect(await tablesOf(story)).toEqual(after)
    expect(await codeOf(lead.getRun({ run_id: `run_${'0'.repeat(32)}` }))).toBe('NOT_FOUND')
  })
})

function randomSeeds(count: number): number[] {
  return Array.from({ length: count }, () => Math.floor(Math.random() * 1_000_000))
}

/** Rows by id, of all tenants, without the time of their last change. */
type Tables = Record<string, Record<string, unknown>>

async function tablesOf({ billing }: LateFeeWorld): Promise<Tables> {
  const tables: Tables = {}
  for (const table of ['customers', 'invoices', 'tickets', 'ticket_comments']) {
    const { rows } = await billing.query<{ row: Record<string, unknown> }>(
      `select to_jsonb(t) - 'updated_at' as row from ${table} t`,
    )
    for (const { row } of rows) tables[`${table}/${String(row['id'])}`] = row
  }
  return tables
}

/** `[id, what it has become]` of each row that differs. */
async function changesSince(
  story: LateFeeWorld,
  before: Tables,
): Promise<[string, Record<string, unknown>][]> {
  const now = await tablesOf(story)
  expect(Object.keys(now).sort()).toEqual(Object.keys(before).sort())
  return Object.entries(now).flatMap(([key, row]): [string, Record<string, unknown>][] => {
    const changed = Object.entries(row).filter(([name, value]) => before[key]?.[name] !== value)
    return changed.length === 0 ? [] : [[String(row['id']), Object.fromEntries(changed)]]
  })
}

async function newestRun({ world }: LateFeeWorld, count: number) {
  const head = await eventually(async () => {
    const { items } = await world.admin.listRuns({})
    return items.length === count && items[0]
  })
  return finished(world, head.run_id)
}
