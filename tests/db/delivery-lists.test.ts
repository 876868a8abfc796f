/** Runs that wait are few among all that are kept, and are not looked for one by one. */
import { beforeAll, expect, it } from 'vitest'
import type { Queryable } from '../../db/database.ts'
import { listRuns } from '../../db/queries/delivery-lists.ts'
import { insertApproval } from '../../db/queries/approvals.ts'
import { insertPlannedWriteback } from '../../db/queries/writebacks.ts'
import { useTestDatabase } from '../support/database.ts'
import * as fixtures from '../support/fixtures.ts'

const KEPT = 20_000

const db = useTestDatabase()
const runIdOf = (number: number) => `run_${String(number).padStart(32, '0')}`

beforeAll(async () => {
  await db.database.query(
    `insert into deliveries (id, organization, source, dedupe_key, request_sha256, requester, runs, state, received_at)
     select 'dlv_' || n, $1, 'api/echo', n::text, 'x', '{}'::jsonb, jsonb_build_array(jsonb_build_object(
       'runId', 'run_' || lpad(n::text, 32, '0'), 'workflowId', 'run/' || n, 'automation', 'echo', 'revision', 1)),
       'started', now() - n * interval '1 second'
     from generate_series(1, $2::integer) n`,
    [fixtures.ORGANIZATION, KEPT],
  )
  await wait(7, { asks: true })
  await wait(12_000, { asks: true })
  await wait(12_000, { asks: false })
  await wait(19_000, { asks: false })
  await db.database.query('analyze')
})

async function wait(number: number, { asks }: { asks: boolean }): Promise<void> {
  const row = fixtures.newWriteback()
  const { writebackId } = row.origin
  const runId = runIdOf(number)
  await insertPlannedWriteback(db.database, { ...row, origin: { ...row.origin, runId } })
  if (!asks) {
    await db.database.query(
      `update writebacks set state = 'unknown', outcome = '{"status":"unknown"}' where writeback_id = $1`,
      [writebackId],
    )
    return
  }
  await insertApproval(db.database, {
    approval_id: writebackId,
    organization: fixtures.ORGANIZATION,
    writeback_id: writebackId,
    workflow_id: `approval/acme/${writebackId}`,
    run_id: runId,
    automation: 'echo',
    digest: fixtures.DIGEST,
    requirement: fixtures.requirement(),
    requester: fixtures.requester(),
    preview: fixtures.preview(),
    expires_at: new Date(Date.now() + 60_000).toISOString(),
  })
}

it.each([
  ['approval', [7, 12_000]],
  ['resolution', [19_000]],
] as const)('those that wait for %s are found from what they wait for', async (waitsFor, numbers) => {
  let plan = ''
  const explaining: Queryable = {
    query: async (text, values) => {
      const { rows } = await db.database.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
      plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      return db.database.query(text, values)
    },
  }
  const wanted = { organization: fixtures.ORGANIZATION, waitsFor, limit: 10 }
  const found = await listRuns(explaining, wanted)
  expect(found.map(({ run_id, waits_for }) => [run_id, waits_for])).toEqual(
    numbers.map((number) => [runIdOf(number), waitsFor]),
  )
  expect(plan).toContain('deliveries_by_run')
  expect(plan).not.toContain('Seq Scan on deliveries')
})
