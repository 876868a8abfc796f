/**
 * The attacker is a tenant with many writes that wait, each as large as a write may be. Whoever looks through the open ones
 * of all tenants, in a worker that does everybody's calls, reads them one by one.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { reconcile } from '../../activities/reconcile.ts'
import type { Database } from '../../db/database.ts'
import { CHANGE, ONE_LEAD } from '../support/automations.ts'
import { reconcilingDoor } from '../support/reconcile.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'

const WRITES = 20
const WRITE_BYTES = 1024 * 1024
const MOST_BYTES = 1.1 * WRITE_BYTES

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
  await s.define('change', [CHANGE], ONE_LEAD)
})
afterAll(() => s?.close())

test('open writes of all tenants are read one by one, however many there are', async () => {
  const { database, temporal: client, keysFolder } = s.world
  await s.park('change')
  await database.query(
    `insert into writebacks select (jsonb_populate_record(w, jsonb_build_object(
       'writeback_id', 'wb_' || md5(n::text), 'idempotency_key', n::text, 'plan', w.plan || jsonb_build_object('before', repeat('x', $2)),
       'updated_at', w.updated_at - interval '10 minutes'))).*
     from writebacks w, generate_series(1, $1) n`,
    [WRITES, WRITE_BYTES],
  )
  let mostBytes = 0
  const counted: Database = Object.assign(Object.create(database) as Database, {
    query: async (text: string, values?: unknown[]) => {
      const result = await database.query(text, values)
      mostBytes = Math.max(mostBytes, JSON.stringify(result.rows).length)
      return result
    },
  })
  const door = reconcilingDoor({ database: counted, keysFolder })
  const next = { writeback: '', approval: '', alive: '' }
  const report = await reconcile({ door, client, scheduledAtMs: Date.now() }, next)
  expect(report).toMatchObject({ looked: WRITES, unproven: WRITES })
  expect(mostBytes).toBeLessThan(MOST_BYTES)
})
