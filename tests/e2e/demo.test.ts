/** The demo as a newcomer runs it, held against the databases and the histories instead of against its own words. */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { makeBillingRows } from '../../examples/late-fee/billing-data.ts'
import type { StoryFacts } from '../../examples/late-fee/demo/story.ts'
import { loadTrustedKeys } from '../../lib/keys.ts'
import { verifyReceipts, type ChainHead } from '../../lib/receipts.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { CLI } from '../support/package.ts'

interface DemoRun {
  code: number | null
  stdout: string
  stderr: string
}

let folder: string
let databaseUrl: string
let database: pg.Pool
let temporal: Client

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-demo-'))
  databaseUrl = await ensureDatabase(inject('databaseUrl'), `demo_${process.pid}`)
  database = new pg.Pool({ connectionString: databaseUrl })
  temporal = new Client({ connection: await Connection.connect({ address: inject('temporalAddress') }) })
})

afterAll(async () => {
  await database.end()
  await temporal.connection.close()
  rmSync(folder, { recursive: true, force: true })
})

/** With the servers of this test run, so that what the demo left behind can be looked at. */
async function runDemo(args: string[]): Promise<DemoRun> {
  const child = spawn(process.execPath, [CLI, 'demo', '--data', folder, ...args], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      TEMPORAL_CLI_PATH: inject('temporalBinary'),
      COUNTERSIGN_TASK_QUEUE: `demo-${process.pid}`,
    },
  })
  const run: DemoRun = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (run.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (run.stderr += chunk.toString()))
  run.code = await new Promise((resolve) => child.once('close', resolve))
  return run
}

/** Every invoice as the seed makes it, but for the one that was disputed; and nothing else came or went. */
async function expectTarget(seed: number, facts: StoryFacts): Promise<void> {
  const { disputed, invoices, customers, tickets } = makeBillingRows(seed)
  const billing = new pg.Client({
    connectionString: databaseUrl.replace(/\/[^/?]+(\?|$)/, '/late_fee_demo$1'),
  })
  await billing.connect()
  const found = await billing.query<Record<string, unknown>>(
    'select id, tenant_id, amount_cents, late_fee_cents, status from invoices order by id',
  )
  const counts = await billing.query(
    'select (select count(*)::integer from customers) as customers, (select count(*)::integer from tickets) as tickets',
  )
  const kept = await billing.query('select status from countersign_receipts where writeback_id = $1', [
    facts.approval_id,
  ])
  await billing.end()
  const expected = invoices.map(({ id, tenant, amountCents, lateFeeCents, status }) => ({
    id,
    tenant_id: tenant,
    amount_cents: amountCents,
    late_fee_cents: id === disputed.invoiceId ? 0 : lateFeeCents,
    status,
  }))
  const byId = (one: { id: unknown }, other: { id: unknown }) => (String(one.id) < String(other.id) ? -1 : 1)
  expect(found.rows.toSorted(byId as never)).toEqual(expected.toSorted(byId))
  expect(counts.rows).toEqual([{ customers: customers.length, tickets: tickets.length }])
  expect(kept.rows).toEqual([{ status: 'applied' }])
  expect(facts).toMatchObject({
    invoice_id: disputed.invoiceId,
    tenant: disputed.tenant,
    late_fee_cents_before: disputed.lateFeeCents,
    late_fee_cents_after: 0,
  })
}

/** Read from the database and verified here: what the demo says of its own check is compared last. */
async function expectReceipts(facts: StoryFacts): Promise<void> {
  const { rows } = await database.query<{ envelope: unknown }>(
    'select envelope from receipts where run_id = $1 order by seq',
    [facts.run_id],
  )
  const { rows: heads } = await database.query<ChainHead>(
    'select seq, sha256 from receipt_chains where run_id = $1',
    [facts.run_id],
  )
  const keys = loadTrustedKeys(join(folder, 'keys', 'public.json'))
  const { statements, problems } = verifyReceipts(
    rows.map(({ envelope }) => envelope),
    keys,
    heads[0],
  )
  expect(problems).toEqual([])
  expect(statements.map(({ predicate }) => predicate['verdict'] ?? predicate['status'])).toEqual([
    'approve',
    'applied',
    'applied',
  ])
  expect(statements[0]?.predicate).toMatchObject({ principal: 'lena@example.org', runId: facts.run_id })
  expect(statements[0]?.subject[0]?.digest.sha256).toBe(facts.digest)
  expect(facts.receipts).toEqual({ count: 3, problems: [], head_sha256: heads[0]?.sha256 })
}

describe('the demo', () => {
  const seeds = [randomInt(1, 1_000_000), randomInt(1, 1_000_000), randomInt(1, 1_000_000)]

  test.each(seeds)('tells the truth with seed %i', async (seed) => {
    const run = await runDemo(['--seed', String(seed), '--json'])
    expect(run, run.stderr).toMatchObject({ code: 0 })
    const facts = JSON.parse(run.stdout) as StoryFacts & { seed: number }
    expect(facts).toMatchObject({
      seed,
      stale_code: 'WAIT_OVER',
      stale_signal: 'refused',
      refused_requester_code: 'NOT_ELIGIBLE',
    })
    await expectTarget(seed, facts)
    const { rows: ledger } = await database.query(
      `select path, state, attempt from writebacks where run_id = $1 order by created_at`,
      [facts.run_id],
    )
    expect(ledger).toEqual([
      { path: 'waive', state: 'applied', attempt: 1 },
      { path: 'note', state: 'applied', attempt: 1 },
    ])
    const { rows: deliveries } = await database.query(
      'select state, jsonb_array_length(runs) as runs from deliveries where organization = $1 order by 2',
      [facts.organization],
    )
    // One under the sender's key, and one under the identity of the dispute, which has started the run.
    expect(deliveries).toEqual([
      { state: 'started', runs: 0 },
      { state: 'started', runs: 1 },
    ])

    const history = await temporal.workflow.getHandle(facts.temporal_workflow_id).describe()
    expect(history.status.name).toBe('COMPLETED')
    const approval = await temporal.workflow.getHandle(facts.approval_workflow_id).fetchHistory()
    const signals = approval.events?.filter((event) => event.workflowExecutionSignaledEventAttributes) ?? []
    expect(signals.map((event) => event.workflowExecutionSignaledEventAttributes?.signalName)).toEqual([
      'approve',
    ])

    const notes = join(folder, 'late-fee', 'notes', facts.organization)
    const { disputeId, invoiceId, lateFeeCents } = makeBillingRows(seed).disputed
    const note = readFileSync(join(notes, `${disputeId}.md`), 'utf8')
    expect(note).toContain(invoiceId)
    expect(note).toContain(`${lateFeeCents} cents`)
    await expectReceipts(facts)
  })

  test('speaks in words that name what happens and where to look', async () => {
    const run = await runDemo(['--seed', '7'])
    expect(run, run.stderr).toMatchObject({ code: 0 })
    for (const words of [
      'disputes the late fee',
      'late_fee_cents   2923     0',
      'npx --no-install countersign approve wb_',
      'temporal workflow signal',
      'npx --no-install countersign receipts verify',
      'starts nothing',
      'WAIT_OVER',
      // Whoever opens the links now finds nothing there.
      'All of it is stopped now, so the addresses above lead nowhere any more',
      '--interactive',
    ]) {
      expect(run.stdout).toContain(words)
    }
    expect(readFileSync(join(folder, 'logs', 'worker.log'), 'utf8')).not.toContain('"level":50')
  })
})
