import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DeliveryRow } from '../../db/queries/deliveries.ts'
import { freePort } from './ports.ts'
import {
  billingConnection,
  countRows,
  createTestApi,
  returningAutomation,
  triggerToken,
  type TestApi,
} from './support.ts'

const PATHS = ['/api/trigger-callback', '/api/acme/trigger-callback']

const overdue = {
  type: 'event',
  connection: 'billing',
  event: 'invoice.overdue',
  filter: 'event.data.amount > 10',
  dedupe: 'event.data.id',
  input: { invoice: '${{ event.data.id }}', amount: '${{ event.data.amount }}' },
}

async function applyTriggers(api: TestApi) {
  const manifests = [
    billingConnection,
    returningAutomation('dun', { triggers: [overdue] }),
    returningAutomation('log', {
      triggers: [{ type: 'event', connection: 'billing', event: 'invoice.overdue' }],
    }),
    returningAutomation('picky', {
      triggers: [
        {
          type: 'event',
          connection: 'billing',
          event: 'invoice.overdue',
          input: { x: '${{ event.data.absent }}' },
        },
      ],
    }),
  ]
  const answer = await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })
  expect(answer).toMatchObject({ status: 200 })
}

function send(api: TestApi, key: string | null, body: unknown, headers: Record<string, string> = {}) {
  return api.call({ method: 'POST', url: PATHS[0] ?? '', body, key, headers })
}

async function deliveriesOf(api: TestApi): Promise<DeliveryRow[]> {
  const { rows } = await api.database.query<DeliveryRow>('select * from deliveries order by received_at, id')
  return rows
}

describe('the trigger callback', () => {
  let api: TestApi
  let token: string
  beforeAll(async () => {
    api = await createTestApi()
    await applyTriggers(api)
    token = await triggerToken(api, 'billing')
  })
  afterAll(() => api.close())

  it('has tokens of 64 hex digits without a prefix', () => {
    expect(token).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each(PATHS)('at %s checks size, header, token and body in this order', async (url) => {
    const large = JSON.stringify({ type: 'x', data: { filler: 'x'.repeat(1_048_577) } })
    const post = (body: unknown, key: string | null) => api.call({ method: 'POST', url, body, key })
    const answers = await Promise.all([
      post(large, null),
      post('{', null),
      post('{', 'wrong'),
      post('{', token),
      post({ type: '' }, token),
      post({ type: 'x', data: [1] }, token),
      post({ type: 'x', data: null }, token),
      post({ type: 'x', data: 'text' }, token),
      post({ type: 'nobody.wants', ignored: true }, token),
    ])
    expect(answers.map(({ status }) => status)).toEqual([413, 401, 401, 400, 400, 400, 400, 400, 202])
    const [tooLarge, noHeader, wrongToken, noJson, , , , , accepted] = answers
    expect(tooLarge?.body).toEqual({ error: 'Payload too large' })
    expect(noHeader?.body).toEqual({ error: 'Missing or invalid Authorization header' })
    expect(wrongToken?.body).toEqual({ error: 'Invalid callback token' })
    expect(noJson?.body).toMatchObject({ error: 'Invalid body', details: [{ code: 'invalid_type' }] })
    expect(accepted?.body).toEqual({ ok: true, type: 'nobody.wants' })
  })

  it('takes the prefix as it is written, and any content type', async () => {
    const lower = await send(api, null, '{}', { authorization: `bearer ${token}` })
    expect(lower.body).toEqual({ error: 'Missing or invalid Authorization header' })
    const headers = { 'content-type': 'text/plain' }
    expect((await send(api, token, '{"type":"nobody.wants"}', headers)).status).toBe(202)
  })

  it('refuses keys of other kinds, and a token at the path of another organization', async () => {
    expect((await send(api, api.adminKey, { type: 'x' })).body).toEqual({ error: 'Invalid callback token' })
    const url = '/api/other/trigger-callback'
    const elsewhere = await api.call({ method: 'POST', url, body: { type: 'x' }, key: token })
    expect(elsewhere).toMatchObject({ status: 401, body: { error: 'Invalid callback token' } })
    expect((await api.call({ url: '/v1/runs', key: token })).status).toBe(403)
  })

  it('keeps an event that starts nothing', async () => {
    const before = await countRows(api.database, 'deliveries')
    await send(api, token, { type: 'nobody.wants' })
    expect(await countRows(api.database, 'deliveries')).toBe(before + 1)
    expect((await deliveriesOf(api)).at(-1)).toMatchObject({ runs: [], state: 'started' })
  })

  it('starts what fits, with the input mapped, whatever fails beside it', async () => {
    await send(api, token, { type: 'invoice.overdue', data: { id: 'in_1', amount: 20 } })
    const rows = (await deliveriesOf(api)).slice(-2)
    expect(rows.flatMap((row) => row.runs.map((run) => run.automation)).sort()).toEqual(['dun', 'log'])
    const dunning = rows.find((row) => row.runs[0]?.automation === 'dun')
    expect(dunning).toMatchObject({
      source: 'event/billing/invoice.overdue',
      dedupe_key: 'dun:in_1',
      requester: { principal: 'connection/billing', kind: 'service', onBehalfOf: [] },
      runs: [{ automation: 'dun', revision: 1, input: { invoice: 'in_1', amount: 20 } }],
      state: 'started',
    })
    const workflowId = dunning?.runs[0]?.workflowId ?? ''
    expect((await api.client.workflow.getHandle(workflowId).describe()).type).toBe('automationWorkflow')
  })

  it('starts one run of what has an identity, however often and however crosswise it is sent', async () => {
    const event = { type: 'invoice.overdue', data: { id: 'in_2', amount: 30 } }
    await Promise.all([1, 2, 3].map(() => send(api, token, event)))
    const rows = (await deliveriesOf(api)).filter((row) => row.dedupe_key === 'dun:in_2')
    expect(rows).toHaveLength(1)
  })

  it('goes by the sender’s key for the whole delivery; the first one wins', async () => {
    const headers = { 'idempotency-key': 'evt-1' }
    const first = { type: 'invoice.overdue', data: { id: 'in_3', amount: 40 } }
    const second = { type: 'invoice.overdue', data: { id: 'in_3', amount: 41 } }
    expect((await send(api, token, first, headers)).status).toBe(202)
    expect((await send(api, token, second, headers)).status).toBe(202)
    const rows = (await deliveriesOf(api)).filter(({ dedupe_key: key }) =>
      ['key evt-1', 'dun:in_3'].includes(key),
    )
    const started = rows.flatMap(({ dedupe_key: key, runs }) =>
      runs.map(({ automation, input }) => [key, automation, input]),
    )
    expect(started.sort()).toEqual([
      ['dun:in_3', 'dun', { invoice: 'in_3', amount: 40 }],
      ['key evt-1', 'log', {}],
    ])
  })

  it('notes where an event comes again and is another one', async () => {
    const event = { type: 'invoice.overdue', data: { id: 'in_9', amount: 40 } }
    await send(api, token, event)
    await send(api, token, event)
    const [row] = (await deliveriesOf(api)).filter(({ dedupe_key: key }) => key === 'dun:in_9')
    const shown = async () => (await api.call({ url: `/v1/deliveries/${row?.id}` })).body
    const codes = async () => ((await shown())['skipped'] as { code: string }[]).map(({ code }) => code)
    expect(await codes()).not.toContain('IDEMPOTENCY_CONFLICT')
    for (const amount of [41, 42]) await send(api, token, { ...event, data: { id: 'in_9', amount } })
    expect((await codes()).filter((code) => code === 'IDEMPOTENCY_CONFLICT')).toHaveLength(1)
    expect((await shown())['skipped']).toContainEqual({
      automation: 'dun',
      code: 'IDEMPOTENCY_CONFLICT',
      detail: 'it came again with other content under the same key, and that started nothing',
    })
  })

  it('says why an event of a mistyped type starts nothing', async () => {
    await send(api, token, { type: 'invoice.overdeu' })
    const row = (await deliveriesOf(api)).at(-1)
    expect((await api.call({ url: `/v1/deliveries/${row?.id}` })).body).toMatchObject({
      runs: [],
      nothing_because: 'No automation has a trigger for invoice.overdeu; did you mean invoice.overdue?',
    })
  })

  it.each([
    ['with a token', 413],
    ['without one', 401],
  ])('answers over a socket too, to a large body that is sent in pieces, %s', async (who, expected) => {
    if (!api.app.server.listening) await api.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = api.app.server.address() as AddressInfo
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const authorization = `Bearer ${expected === 413 ? token : who}`
      const headers = { authorization, 'transfer-encoding': 'chunked' }
      const options = { port, method: 'POST', path: '/api/trigger-callback', headers }
      const request = httpRequest(options, (response) => resolve(response.resume().statusCode))
      request.on('error', reject)
      for (let piece = 0; piece < 20; piece++) request.write('x'.repeat(64 * 1024))
      request.end()
    })
    expect(status).toBe(expected)
  })
})

describe('the trigger callback while Temporal is away', () => {
  it('answers 202 and keeps the delivery pending', async () => {
    const api = await createTestApi({ temporalAddress: `127.0.0.1:${await freePort()}` })
    try {
      await applyTriggers(api)
      const token = await triggerToken(api, 'billing')
      const answer = await send(api, token, { type: 'invoice.overdue', data: { id: 'in_9', amount: 20 } })
      expect(answer).toMatchObject({ status: 202, body: { ok: true, type: 'invoice.overdue' } })
      const rows = await deliveriesOf(api)
      expect(rows.find((row) => row.dedupe_key === 'dun:in_9')).toMatchObject({ state: 'pending' })
    } finally {
      await api.close()
    }
  })
})
