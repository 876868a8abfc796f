import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRateLimits } from '../../api/plugins/rate-limit.ts'
import { createTestApi, triggerToken, type TestApi } from './support.ts'
import { billingConnection } from './support.ts'

/** Four seconds' worth may come at once. */
const PER_KEY = 5
const PER_ADDRESS = 2

let nowMs = 1_000_000
let waitedMs: number[] = []
let api: TestApi
beforeAll(async () => {
  const config = { perKey: PER_KEY, perUnknownAddress: PER_ADDRESS }
  const limits = createRateLimits(
    config,
    () => nowMs,
    async (ms) => void waitedMs.push(ms),
  )
  api = await createTestApi({ limits })
})
afterAll(() => api.close())

async function untilRefused(send: () => Promise<{ status: number }>): Promise<number> {
  for (let count = 0; count < 100; count++) if ((await send()).status === 429) return count
  return Infinity
}

describe('a key', () => {
  it('may ask four seconds of its rate at once, then has to wait as long as it is told', async () => {
    nowMs += 60_000
    expect(await untilRefused(() => api.call({ url: '/v1/runs' }))).toBe(4 * PER_KEY)
    const refused = await api.call({ url: '/v1/runs' })
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } })
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1)
    nowMs += Number(refused.headers['retry-after']) * 1_000
    expect((await api.call({ url: '/v1/runs' })).status).toBe(200)
  })

  it('does not use up what another one has', async () => {
    nowMs += 60_000
    const body = { principal: { id: 'other', kind: 'service' }, scopes: ['read'] }
    const made = await api.call({ method: 'POST', url: '/v1/keys', body })
    await untilRefused(() => api.call({ url: '/v1/runs' }))
    expect((await api.call({ url: '/v1/runs', key: String(made.body['key']) })).status).toBe(200)
  })

  it('of a connection has its events wait for their turn, for senders that do not repeat them', async () => {
    nowMs += 60_000
    waitedMs = []
    const applied = {
      method: 'POST',
      url: '/v1/manifests',
      body: { manifests: [billingConnection] },
    } as const
    expect((await api.call(applied)).status).toBe(200)
    const key = await triggerToken(api, 'billing')
    const event = { method: 'POST', url: '/api/trigger-callback', key, body: { type: 'x' } } as const
    // Four seconds' worth at once, eight more one after the other, and no more than that wait.
    expect(await untilRefused(() => api.call(event))).toBe((4 + 8) * PER_KEY)
    expect(waitedMs).toHaveLength(8 * PER_KEY)
    expect(waitedMs.at(0)).toBe(1_000 / PER_KEY)
    expect(waitedMs.at(-1)).toBe(8_000)
    const refused = await api.call(event)
    expect(refused.body).toEqual({ error: 'Too many requests.' })
    expect(refused.headers['retry-after']).toBeDefined()
  })
})

describe('600 events at once', () => {
  it('are all taken, each once, whatever their sender knows of coming again', async () => {
    // Twice the rate that there is by default, so that nobody waits for 8 s here.
    const limits = createRateLimits({ perKey: 100, perUnknownAddress: PER_ADDRESS })
    const busy = await createTestApi({ limits })
    const applied = {
      method: 'POST',
      url: '/v1/manifests',
      body: { manifests: [billingConnection] },
    } as const
    expect((await busy.call(applied)).status).toBe(200)
    const authorization = `Bearer ${await triggerToken(busy, 'billing')}`
    const url = `${await busy.app.listen({ host: '127.0.0.1', port: 0 })}/api/trigger-callback`
    const statuses = await Promise.all(
      Array.from({ length: 600 }, async (_none, n) => {
        const body = JSON.stringify({ type: 'x', data: { n } })
        return (await fetch(url, { method: 'POST', headers: { authorization }, body })).status
      }),
    )
    expect(statuses.filter((status) => status !== 202)).toEqual([])
    const { rows } = await busy.database.query('select count(*)::integer as stored from deliveries')
    expect(rows).toEqual([{ stored: 600 }])
    await busy.close()
  })
})

describe('an address', () => {
  it('may not go on guessing keys', async () => {
    nowMs += 60_000
    const guess = () => api.call({ url: '/v1/runs', key: `cs_${Math.random()}` })
    expect(await untilRefused(guess)).toBe(4 * PER_ADDRESS)
    nowMs += 60_000
    expect((await guess()).status).toBe(401)
  })

  it('that has guessed too often still has its valid keys answered', async () => {
    const body = { principal: { id: 'connection/behind', kind: 'service' }, scopes: ['trigger'] }
    const made = await api.call({ method: 'POST', url: '/v1/keys', body })
    nowMs += 60_000
    const event = { method: 'POST', url: '/api/trigger-callback', body: { type: 'x' } } as const
    expect(await untilRefused(() => api.call({ ...event, key: 'cs_wrong' }))).toBe(4 * PER_ADDRESS)
    expect((await api.call({ url: '/v1/runs', key: 'cs_wrong' })).status).toBe(429)
    expect((await api.call({ url: '/v1/runs' })).status).toBe(200)
    expect((await api.call({ ...event, key: String(made.body['key']) })).status).toBe(202)
  })

  it('is told whether the process is well all the same', async () => {
    nowMs += 60_000
    await untilRefused(() => api.call({ url: '/v1/runs', key: 'cs_wrong' }))
    for (const url of ['/healthz', '/readyz']) expect((await api.call({ url, key: null })).status).toBe(200)
  })
})
