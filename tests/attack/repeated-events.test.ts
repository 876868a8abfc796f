/**
 * The attacker holds the callback token of one connection, or stands between its server and us: he sends one event again
 * and again, each time under another key of delivery. What the automation knows an event by is not his to choose.
 */
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

let world: World
let token: string

beforeAll(async () => {
  world = await startWorld()
  const on = (name: string, dedupe?: string) => ({
    kind: 'Automation',
    name,
    spec: {
      triggers: [{ type: 'event', connection: 'shop', event: 'paid', ...(dedupe ? { dedupe } : {}) }],
      steps: [{ name: 'answer', return: 1 }],
    },
  })
  const spec = { type: 'mcp', transport: 'http', url: 'https://shop.example/mcp' }
  await world.admin.applyManifests({
    manifests: [{ kind: 'Connection', name: 'shop', spec }, on('book', 'event.data.id'), on('log')],
  })
  const principal = { id: 'connection/shop', kind: 'service' } as const
  token = (await world.admin.createKey({ principal, scopes: ['trigger'] })).key
})

afterAll(() => world.close())

async function send(id: string, key?: string): Promise<number> {
  const response = await fetch(`${world.apiUrl}/api/trigger-callback`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify({ type: 'paid', data: { id } }),
  })
  return response.status
}

/** How many runs of each automation the events of this kind have started. */
async function runsOf(from: string): Promise<Record<string, number>> {
  const { rows } = await world.database.query<{ automation: string; count: number }>(
    `select run ->> 'automation' as automation, count(*)::int as count
     from deliveries, jsonb_array_elements(runs) as run where received_at >= $1 group by 1 order by 1`,
    [from],
  )
  return Object.fromEntries(rows.map(({ automation, count }) => [automation, count]))
}

async function nowOfDatabase(): Promise<string> {
  const { rows } = await world.database.query<{ now: string }>('select clock_timestamp()::text as now')
  return rows[0]?.now ?? ''
}

test('one event under three keys of the sender starts one run of what knows it, at once or after another', async () => {
  const from = await nowOfDatabase()
  const statuses = await Promise.all(['k-1', 'k-2', 'k-3'].map((key) => send('order-1', key)))
  statuses.push(await send('order-1', 'k-4'), await send('order-1'))
  expect(statuses).toEqual([202, 202, 202, 202, 202])
  expect(await runsOf(from)).toEqual({ book: 1, log: 5 })
})

test('one key of the sender starts nothing for a second event', async () => {
  const from = await nowOfDatabase()
  const key = randomUUID()
  expect([await send('order-2', key), await send('order-3', key), await send('order-2', key)]).toEqual([
    202, 202, 202,
  ])
  expect(await runsOf(from)).toEqual({ book: 1, log: 1 })
})

test('a key of the sender that looks like what an automation knows another event by suppresses nothing', async () => {
  const from = await nowOfDatabase()
  await send('order-4', 'book:order-5')
  await send('order-5', 'another')
  expect(await runsOf(from)).toEqual({ book: 2, log: 2 })
})
