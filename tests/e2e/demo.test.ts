/** The demo as a newcomer runs it, held against the databases and the histories instead of against its own words. */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { StoryFacts } from '../../examples/late-fee/demo/story.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'

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
  const child = spawn(process.execPath, ['cli/bin.mjs', 'demo', '--data', folder, ...args], {
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

describe('the demo', () => {
  const seeds = [randomInt(1, 1_000_000), randomInt(1, 1_000_000), randomInt(1, 1_000_000)]

  test.each(seeds)('tells the truth with seed %i', async (seed) => {
    const run = await runDemo(['--seed', String(seed), '--json'])
    expect(run, run.stderr).toMatchObject({ code: 0 })
    const facts = JSON.parse(run.stdout) as StoryFacts & { seed: number }
    expect(facts).toMatchObject({ seed, stale_code: 'WAIT_OVER', refused_requester_code: 'NOT_ELIGIBLE' })

    const billing = new pg.Client({
      connectionString: databaseUrl.replace(/\/[^/?]+(\?|$)/, '/late_fee_billing$1'),
    })
    await billing.connect()
    const { rows: invoices } = await billing.query(
      'select tenant_id, late_fee_cents from invoices where id = $1',
      [facts.invoice_id],
    )
    const { rows: receiptsAtTarget } = await billing.query(
      'select status from countersign_receipts where writeback_id = $1',
      [facts.approval_id],
    )
    await billing.end()
    expect(invoices).toEqual([{ tenant_id: facts.tenant, late_fee_cents: 0 }])
    expect(receiptsAtTarget).toEqual([{ status: 'applied' }])
    expect(facts.late_fee_cents_before).toBeGreaterThan(0)

    const { rows: ledger } = await database.query(
      `select path, state, attempt from writebacks where run_id = $1 order by created_at`,
      [facts.run_id],
    )
    expect(ledger).toEqual([
      { path: 'waive', state: 'applied', attempt: 1 },
      { path: 'note', state: 'applied', attempt: 1 },
    ])
    const { rows: deliveries } = await database.query(
      'select state from deliveries where organization = $1',
      [facts.organization],
    )
    expect(deliveries).toEqual([{ state: 'started' }])

    const history = await temporal.workflow.getHandle(facts.temporal_workflow_id).describe()
    expect(history.status.name).toBe('COMPLETED')
    const approval = await temporal.workflow.getHandle(facts.approval_workflow_id).fetchHistory()
    const signals = approval.events?.filter((event) => event.workflowExecutionSignaledEventAttributes) ?? []
    expect(signals.map((event) => event.workflowExecutionSignaledEventAttributes?.signalName)).toEqual([
      'approve',
    ])

    const tenantNotes = join(folder, 'late-fee', 'notes', facts.organization)
    expect(existsSync(tenantNotes)).toBe(true)
    expect(facts.receipts).toMatchObject({ count: 3, problems: [] })
  })

  test('speaks in words that name what happens and where to look', async () => {
    const run = await runDemo(['--seed', '7'])
    expect(run, run.stderr).toMatchObject({ code: 0 })
    for (const words of [
      'disputes the late fee',
      'late_fee_cents   2923     0',
      'npx countersign approve wb_',
      'temporal workflow signal',
      'npx countersign receipts verify',
      'starts nothing',
      'WAIT_OVER',
    ]) {
      expect(run.stdout).toContain(words)
    }
    expect(readFileSync(join(folder, 'logs', 'worker.log'), 'utf8')).not.toContain('"level":50')
  })
})
