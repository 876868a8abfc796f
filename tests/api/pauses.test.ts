import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  billingConnection,
  createTestApi,
  returningAutomation,
  triggerToken,
  type TestApi,
} from './support.ts'

let api: TestApi
let token: string

beforeAll(async () => {
  api = await createTestApi()
  const on = (event: string) => ({ type: 'event', connection: 'billing', event })
  const manifests = [
    billingConnection,
    returningAutomation('refund', { triggers: [on('disputed'), on('overdue')] }),
    returningAutomation('notify', { triggers: [on('disputed')] }),
  ]
  expect((await post('/v1/manifests', { manifests })).status).toBe(200)
  token = await triggerToken(api, 'billing')
})
afterAll(() => api.close())

function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  return api.call({ method: 'POST', url, body, headers })
}

/** What the event has started, and what it has not. */
async function fire(type: string) {
  const { status } = await api.call({
    method: 'POST',
    url: '/api/trigger-callback',
    key: token,
    body: { type, data: {} },
  })
  expect(status).toBe(202)
  const { body } = await api.call({ url: '/v1/deliveries?limit=1' })
  const [delivery] = body['items'] as { runs: { automation: string }[]; skipped: Record<string, string>[] }[]
  return { started: delivery?.runs.map(({ automation }) => automation), skipped: delivery?.skipped }
}

describe('a paused automation', () => {
  it('refuses a start, and says who has paused it and why', async () => {
    const key = { 'idempotency-key': randomUUID() }
    const before = await post('/v1/automations/refund/runs', { input: 1 }, key)
    const paused = await post('/v1/automations/refund/pause', { reason: 'month end' })
    expect(paused).toMatchObject({
      status: 200,
      body: { name: 'refund', paused: { by: 'ops@example.org', reason: 'month end' } },
    })
    const refused = await post('/v1/automations/refund/runs', { input: 2 })
    expect(refused).toMatchObject({ status: 409, body: { code: 'AUTOMATION_PAUSED' } })
    expect(refused.body['detail']).toMatch(/paused by ops@example\.org at .*: month end/)
    const again = await post('/v1/automations/refund/runs', { input: 1 }, key)
    expect(again).toMatchObject({ status: 201, body: { run_id: before.body['run_id'], duplicate: true } })
  })

  it('starts nothing by an event, which is accepted, starts the others, and tells what it did not start', async () => {
    const { started, skipped } = await fire('disputed')
    expect(started).toEqual(['notify'])
    expect(skipped).toMatchObject([{ automation: 'refund', code: 'AUTOMATION_PAUSED' }])
    expect(await fire('overdue')).toMatchObject({ started: [], skipped: [{ automation: 'refund' }] })
  })

  it('keeps the first reason, and stays paused when it is saved anew', async () => {
    await post('/v1/automations/refund/pause', { reason: 'another' })
    await post('/v1/manifests', { manifests: [returningAutomation('refund', { description: 'new' })] })
    const { body } = await api.call({ url: '/v1/automations/refund' })
    expect(body).toMatchObject({
      revision: 2,
      description: 'new',
      paused: { reason: 'month end' },
      triggers: [],
    })
    expect((await api.call({ url: '/v1/automations?paused=true' })).body['items']).toMatchObject([
      { name: 'refund' },
    ])
    expect((await post('/v1/automations/refund/runs', {})).status).toBe(409)
  })

  it('starts again when it is resumed, and resuming twice is no error', async () => {
    for (const _ of [1, 2]) {
      expect(await post('/v1/automations/refund/resume', {})).toMatchObject({
        status: 200,
        body: { paused: null },
      })
    }
    expect((await post('/v1/automations/refund/runs', {})).status).toBe(201)
  })
})

describe('a paused trigger', () => {
  it('keeps its events from starting the automation, and nothing else', async () => {
    const triggers = ['disputed', 'overdue'].map((event) => ({ type: 'event', connection: 'billing', event }))
    await post('/v1/manifests', { manifests: [returningAutomation('refund', { triggers })] })
    const trigger = 'event/billing/disputed'
    const paused = await post('/v1/automations/refund/pause', { trigger, reason: 'flood' })
    expect(paused.body).toMatchObject({
      paused: null,
      triggers: [
        { trigger, paused: { reason: 'flood' } },
        { trigger: 'event/billing/overdue', paused: null },
      ],
    })
    expect(await fire('disputed')).toMatchObject({
      started: ['notify'],
      skipped: [{ automation: 'refund', detail: expect.stringContaining(trigger) as unknown }],
    })
    expect(await fire('overdue')).toMatchObject({ started: ['refund'], skipped: [] })
    expect((await post('/v1/automations/refund/runs', {})).status).toBe(201)
    await post('/v1/automations/refund/resume', { trigger })
    expect((await fire('disputed')).started?.toSorted()).toEqual(['notify', 'refund'])
  })

  it('must be one that the automation has', async () => {
    const trigger = 'event/billing/none'
    const answer = await post('/v1/automations/refund/pause', { trigger })
    expect(answer).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
    expect(answer.body['detail']).toContain('event/billing/disputed')
    expect((await post('/v1/automations/none/pause', {})).status).toBe(404)
    expect((await post('/v1/automations/none/resume', {})).status).toBe(404)
    expect((await post('/v1/automations/refund/pause', { trigger: 'x' })).status).toBe(400)
  })
})
