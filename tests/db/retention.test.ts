/** What is deleted is old, finished and forgotten by Temporal; everything else stays. */
import { randomBytes, randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { retain } from '../../activities/retention.ts'
import { insertApproval } from '../../db/queries/approvals.ts'
import { insertDelivery } from '../../db/queries/deliveries.ts'
import { insertPlannedWriteback } from '../../db/queries/writebacks.ts'
import { RETENTION } from '../../db/retention.ts'
import { writebackWorkflowId, WORKFLOW_TYPES } from '../../schemas/names.ts'
import { useTestDatabase } from '../support/database.ts'
import { ORGANIZATION, preview, requester, requirement } from '../support/fixtures.ts'

const db = useTestDatabase()

let client: Client
let connection: Connection
const started: string[] = []

beforeAll(async () => {
  connection = await Connection.connect({ address: inject('temporalAddress') })
  client = new Client({ connection })
  await client.workflow.start('nobodyWorks', { workflowId: KNOWN, taskQueue: 'nobody', args: [] })
  started.push(KNOWN)
})
afterAll(async () => {
  for (const workflowId of started) await client.workflow.getHandle(workflowId).terminate()
  await connection.close()
})
beforeEach(async () => {
  await db.database.query('delete from deliveries; delete from writebacks; delete from approvals')
  await db.database.query(
    `insert into deliveries (id, organization, source, dedupe_key, request_sha256, requester, runs, state, received_at)
     values ('known', 'acme', 's', 'k', '', '{}', $1, 'started', now() - interval '20 days')`,
    [JSON.stringify([{ runId: 'run_known', workflowId: KNOWN }])],
  )
})

/** The one run that Temporal knows, not one of the last hours; not counted below. */
const KNOWN = `run/${randomUUID()}`

interface Kept {
  daysOld?: number
  delivery?: 'pending' | 'started'
  /** Of the one write. */
  state?: 'planned' | 'unknown' | 'applied'
  approval?: 'waiting' | 'approved'
  /** Which execution Temporal has: it is running, and nobody works on it. */
  alive?: 'run' | 'writeback' | 'none'
  /** Delivery of the run whose step has started this one. */
  around?: string
}

async function keep(options: Kept): Promise<string> {
  const {
    daysOld = 31,
    delivery = 'started',
    state = 'applied',
    approval = 'approved',
    alive = 'none',
    around,
  } = options
  const id = `dlv_${randomUUID()}`
  const runId = `run_${id}`
  const writebackId = `wb_${id}`
  const runWorkflowId = `run/${id}`
  const parent = { runId: `run_${around}`, path: 'sub', depth: 2 }
  await insertDelivery(db.database, {
    id,
    organization: ORGANIZATION,
    source: around ? `run/${parent.runId}` : 'api/x',
    dedupeKey: id,
    requestSha256: '',
    requester: requester(),
    runs: [
      {
        runId,
        workflowId: runWorkflowId,
        automation: 'x',
        revision: 1,
        input: null,
        ...(around !== undefined && { parent }),
      },
    ],
  })
  await insertPlannedWriteback(db.database, {
    organization: ORGANIZATION,
    origin: { deliveryId: id, runId, automation: 'x', revision: 1, path: 'a', writebackId },
    runWorkflowId,
    connection: 'c',
    operation: 'o',
    executor: 'sql',
    digest: 'd',
    idempotencyKey: id,
    requester: requester(),
    plan: {
      endpoint: {},
      target: 't',
      arguments: null,
      stored: null,
      preconditions: {},
      definitionSha256: null,
    },
    requirement: null,
    preview: preview(),
    signedPlan: null,
  })
  await insertApproval(db.database, {
    approval_id: writebackId,
    organization: ORGANIZATION,
    writeback_id: writebackId,
    workflow_id: `approval/${id}`,
    run_id: runId,
    automation: 'x',
    digest: 'd',
    requirement: requirement(),
    requester: requester(),
    preview: preview(),
    expires_at: new Date().toISOString(),
  })
  await db.database.query(
    `update deliveries set state = $2, received_at = now() - $3::integer * interval '1 day' where id = $1`,
    [id, delivery, daysOld],
  )
  await db.database.query(
    `update writebacks set state = $2, outcome = case when $2 = 'planned' then null else '{}'::jsonb end
     where delivery_id = $1`,
    [id, state],
  )
  await db.database.query(`update approvals set state = $2 where run_id = $1`, [runId, approval])
  if (alive !== 'none') {
    const workflowId =
      alive === 'run' ? runWorkflowId : writebackWorkflowId({ organization: ORGANIZATION, writebackId })
    await client.workflow.start('nobodyWorks', { workflowId, taskQueue: 'nobody', args: [] })
    started.push(workflowId)
  }
  return id
}

async function counts(): Promise<Record<string, number>> {
  const { rows } = await db.database.query<Record<string, number>>(
    `select (select count(*) from deliveries where id <> 'known')::integer as deliveries,
       (select count(*) from writebacks)::integer as writebacks, (select count(*) from approvals)::integer as approvals`,
  )
  return rows[0] ?? {}
}

const all = (count: number) => ({ deliveries: count, writebacks: count, approvals: count })

async function sweep(): Promise<number> {
  const { deliveries, next } = await retain(
    { database: db.database, client, nowMs: Date.now },
    null,
    new AbortController().signal,
  )
  expect(next).toBeNull()
  return deliveries
}

describe('retention', () => {
  it('deletes a delivery with its writes and approvals when it is old, over and forgotten', async () => {
    await keep({})
    await keep({ state: 'applied', daysOld: 400 })
    expect(await sweep()).toBe(2)
    expect(await counts()).toEqual(all(0))
  })

  it('deletes with it the decisions that nobody has recorded, and keeps those that count', async () => {
    const [gone, kept] = [await keep({}), await keep({ daysOld: 1 })]
    for (const id of [gone, kept])
      for (const recordedAt of [null, new Date()])
        await db.database.query(
          `insert into decisions (decision_id, organization, writeback_id, principal, verdict, envelope, recorded_at)
           values ($1, $2, $3, 'ann', 'reject', '{}', $4)`,
          [randomUUID(), ORGANIZATION, `wb_${id}`, recordedAt],
        )
    expect(await sweep()).toBe(1)
    const { rows } = await db.database.query(
      `select writeback_id, count(*)::integer, count(recorded_at)::integer as recorded from decisions
       where writeback_id = any($1) group by 1 order by 2`,
      [[`wb_${gone}`, `wb_${kept}`]],
    )
    expect(rows).toEqual([
      { writeback_id: `wb_${gone}`, count: 1, recorded: 1 },
      { writeback_id: `wb_${kept}`, count: 2, recorded: 1 },
    ])
  })

  it.each<[string, Kept]>([
    ['young', { daysOld: 29 }],
    ['pending, however old', { daysOld: 400, delivery: 'pending' }],
    ['needed by a run that Temporal knows', { daysOld: 400, alive: 'run' }],
    ['needed by a writeback that Temporal knows', { daysOld: 400, alive: 'writeback' }],
    ['holding an open write', { daysOld: 400, state: 'planned' }],
    ['holding a write whose outcome nobody knows', { daysOld: 400, state: 'unknown' }],
    ['waiting for people', { daysOld: 400, approval: 'waiting' }],
  ])('keeps what is %s', async (_name, options) => {
    await keep(options)
    await keep({})
    expect(await sweep()).toBe(1)
    expect(await counts()).toEqual(all(1))
  })

  it('keeps what sub-runs have done for as long as the run around them is kept, however deep', async () => {
    const around = await keep({ daysOld: 400, alive: 'run' })
    const inner = await keep({ daysOld: 399, around })
    await keep({ daysOld: 398, around: inner })
    await keep({ daysOld: 397, around: 'dlv_long_gone' })
    expect(await sweep()).toBe(1)
    expect(await sweep()).toBe(0)
    expect(await counts()).toEqual(all(3))
  })

  it('deletes sub-runs after the run around them, level by level', async () => {
    const around = await keep({ daysOld: 400 })
    await keep({ daysOld: 399, around: await keep({ daysOld: 400, around }) })
    const swept = [await sweep(), await sweep(), await sweep()]
    expect(swept).toEqual([1, 1, 1])
    expect(await counts()).toEqual(all(0))
  })

  it('gets past what is kept, in several parts, and by two at once', async () => {
    await Promise.all([
      ...Array.from({ length: 130 }, () => keep({ daysOld: 90, state: 'applied' })),
      ...Array.from({ length: 3 }, () => keep({ daysOld: 100, alive: 'run' })),
    ])
    const swept = await Promise.all([sweep(), sweep()])
    expect(swept.reduce((sum, each) => sum + each)).toBe(130)
    expect(await counts()).toEqual(all(3))
  })

  it('deletes nothing where Temporal knows none of our latest runs', async () => {
    const lately = await keep({ daysOld: 0 })
    await keep({})
    expect(await sweep()).toBe(0)
    expect(await counts()).toEqual(all(2))
    const workflowId = `run/${lately}`
    await client.workflow.start('nobodyWorks', { workflowId, taskQueue: 'nobody', args: [] })
    started.push(workflowId)
    expect(await sweep()).toBe(1)
  })
})

describe('after a quiet time, retention', () => {
  beforeEach(() => db.database.query(`delete from deliveries where id = 'known'`))

  it('deletes nothing where Temporal knows no run, however long ago the last one came', async () => {
    await keep({})
    await keep({ daysOld: 2, state: 'planned', approval: 'waiting' })
    expect(await sweep()).toBe(0)
    expect(await counts()).toEqual(all(2))
  })

  it.each<[string, Kept]>([
    ['a run', { daysOld: 15, alive: 'run' }],
    ['a write of long ago that waits', { daysOld: 400, state: 'planned', alive: 'run' }],
  ])('goes on where Temporal knows %s', async (_what, options) => {
    await Promise.all(Array.from({ length: 25 }, () => keep({ daysOld: 40 })))
    await keep(options)
    expect(await sweep()).toBe(25)
  })
})

describe('large values', () => {
  const DAY_MS = 86_400_000

  beforeAll(async () => {
    const workflowId = `run/${randomUUID()}`
    await client.workflow.start(WORKFLOW_TYPES.automation, { workflowId, taskQueue: 'nobody', args: [] })
    started.push(workflowId)
    await vi.waitFor(
      async () => expect((await client.workflow.count(`WorkflowId = '${workflowId}'`)).count).toBe(1),
      10_000,
    )
  })
  beforeEach(() => db.database.query('delete from payloads'))

  /** Deleted, with a worker's clock that many days ahead. */
  async function sweepIn(days: number): Promise<number> {
    const nowMs = () => Date.now() + days * DAY_MS
    const { payloads } = await retain(
      { database: db.database, client, nowMs },
      null,
      AbortSignal.timeout(60_000),
    )
    return payloads
  }

  async function unusedFor(days: number): Promise<void> {
    await db.database.query(
      `insert into payloads (sha256, organization, bytes, last_used_at)
       values ($1, 'acme', 'x', now() - $2::integer * interval '1 day')`,
      [randomBytes(32).toString('hex'), days],
    )
  }

  it('go when they were last used before the oldest execution started, with three days between', async () => {
    for (const days of [0, 29, 32, 34, 400]) await unusedFor(days)
    expect(await sweepIn(0)).toBe(2)
    expect(await sweepIn(0)).toBe(0)
  })

  it('stay as long as executions are that old', async () => {
    await unusedFor(1)
    await unusedFor(20)
    // 40 days from now there are executions of today; none is older than 60 days, and the values are 41 and 60 old.
    expect(await sweepIn(40)).toBe(0)
    // 50 days from now, one was last used more than 63 days before.
    expect(await sweepIn(50)).toBe(1)
    expect(await sweepIn(1000)).toBe(0)
  })

  it('go in parts of a hundred', async () => {
    await Promise.all(Array.from({ length: 130 }, () => unusedFor(40)))
    expect(await sweepIn(0)).toBe(130)
  })
})

describe('the table of what is kept', () => {
  it('has a line for every table of the database', async () => {
    const { rows } = await db.database.query<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' order by 1`,
    )
    const listed = RETENTION.flatMap(({ tables }) => tables)
    expect([...listed].sort()).toEqual(rows.map(({ name }) => name).sort())
  })
})
