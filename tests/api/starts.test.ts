import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startDelivery } from '../../api/deliveries.ts'
import { findDeliveryOfRun } from '../../db/queries/deliveries.ts'
import { freePort } from './ports.ts'
import { countRows, createTestApi, returningAutomation, type TestApi } from './support.ts'

const inputSchema = {
  type: 'object',
  properties: { amount: { type: 'number' } },
  required: ['amount'],
  additionalProperties: false,
}

async function applyRefund(api: TestApi, spec: Record<string, unknown> = { input: inputSchema }) {
  const manifests = [returningAutomation('refund', spec)]
  const answer = await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })
  expect(answer.body).toMatchObject({ results: [{ kind: 'Automation', name: 'refund' }] })
}

function start(api: TestApi, body: unknown, key: string = randomUUID()) {
  const headers = { 'idempotency-key': key }
  return api.call({ method: 'POST', url: '/v1/automations/refund/runs', body, headers })
}

describe('a start', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await createTestApi()
    await applyRefund(api)
  })
  afterAll(() => api.close())

  it('is refused on behalf of somebody who is spelled otherwise, or not known, at each place', async () => {
    const spelled = await start(api, { input: { amount: 5 }, on_behalf_of: ['BOB@example.org'] })
    const message = 'must be a plain id or address in lower case: write bob@example.org'
    expect(spelled).toMatchObject({ status: 400, body: { errors: [{ path: 'on_behalf_of[0]', message }] } })
    const unknown = await start(api, {
      input: { amount: 5 },
      on_behalf_of: ['ops@example.org', 'nobody', 'no-one'],
    })
    expect(unknown.body).toMatchObject({
      code: 'INVALID_INPUT',
      errors: [{ path: 'on_behalf_of[1]' }, { path: 'on_behalf_of[2]' }],
    })
  })

  it('gives a run that Temporal knows, with its plan and its words', async () => {
    const bob = { id: 'bob@example.org', kind: 'person' }
    await api.call({ method: 'POST', url: '/v1/keys', body: { principal: bob, scopes: ['read'] } })
    const { status, body } = await start(api, { input: { amount: 5 }, on_behalf_of: [bob.id] })
    expect(status).toBe(201)
    expect(body).toMatchObject({ state: 'started', duplicate: false })
    expect(body['run_id']).toMatch(/^run_[0-9a-f]{32}$/)
    const handle = api.client.workflow.getHandle(String(body['temporal_workflow_id']))
    const description = await handle.describe()
    expect(description.type).toBe('automationWorkflow')
    expect(await description.staticSummary()).toContain('refund')
    expect(await description.staticDetails()).toContain('`amount` (number)')
    const history = await handle.fetchHistory()
    const payloads = history.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? []
    const [input, plan] = payloads.map(
      ({ data }) => JSON.parse(Buffer.from(data ?? []).toString()) as unknown,
    )
    expect(input).toMatchObject({
      organization: 'acme',
      runId: body['run_id'],
      input: { amount: 5 },
    })
    expect(plan).toMatchObject({
      automation: 'refund',
      revision: 1,
      steps: [{ type: 'return', name: 'answer' }],
    })
  })

  it('with the same key gives the first one again, however many come at once', async () => {
    const before = await countRows(api.database, 'deliveries')
    const key = randomUUID()
    const answers = await Promise.all([1, 2, 3, 4].map(() => start(api, { input: { amount: 1 } }, key)))
    expect(new Set(answers.map(({ body }) => body['run_id'])).size).toBe(1)
    expect(answers.filter(({ body }) => body['duplicate'] === false)).toHaveLength(1)
    expect(await countRows(api.database, 'deliveries')).toBe(before + 1)
  })

  it('with the same key is what it was, though the automation has changed since', async () => {
    const key = randomUUID()
    const first = await start(api, { input: { amount: 1 } }, key)
    await applyRefund(api, { input: { ...inputSchema, required: ['amount', 'reason'] } })
    expect((await start(api, { input: { amount: 1 } }, key)).body['run_id']).toBe(first.body['run_id'])
    await applyRefund(api)
  })

  it('with the same key and another input is a conflict', async () => {
    const key = randomUUID()
    await start(api, { input: { amount: 1 } }, key)
    const other = await start(api, { input: { amount: 2 } }, key)
    expect(other).toMatchObject({ status: 409, body: { code: 'IDEMPOTENCY_CONFLICT' } })
  })

  it.each([
    [{ amount: 'much' }, 'input.amount'],
    [{ amount: 1, more: true }, 'input'],
    [{ amount: 1, text: '\0' }, 'input.text'],
    [{ amount: 1, text: '\ud800' }, 'input.text'],
  ])('with an input that does not fit is refused: %j', async (input, path) => {
    const before = await countRows(api.database, 'deliveries')
    const answer = await start(api, { input })
    expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
    expect(answer.body['errors']).toEqual(expect.arrayContaining([expect.objectContaining({ path })]))
    expect(await countRows(api.database, 'deliveries')).toBe(before)
  })

  it('of what does not exist is refused', async () => {
    const url = '/v1/automations/nothing/runs'
    expect(await api.call({ method: 'POST', url, body: {} })).toMatchObject({ status: 404 })
  })

  it('is shown, listed page by page, and cancelled', async () => {
    const { body } = await start(api, { input: { amount: 7 } })
    const url = `/v1/runs/${String(body['run_id'])}`
    const run = await api.call({ url })
    expect(run).toMatchObject({
      status: 200,
      body: { state: 'running', input: { amount: 7 }, source: 'api/refund', writebacks: [], receipts: [] },
    })
    const seen = new Set<string>()
    let cursor = ''
    for (let page = 0; page < 50; page++) {
      const list = await api.call({ url: `/v1/runs?limit=2&automation=refund${cursor}` })
      for (const item of list.body['items'] as { run_id: string }[]) {
        expect(seen.has(item.run_id)).toBe(false)
        seen.add(item.run_id)
      }
      const next = list.body['next_cursor'] as string | null
      if (next === null) break
      cursor = `&cursor=${next}`
    }
    expect(seen.size).toBe(await countRows(api.database, 'deliveries'))
    expect(await api.call({ method: 'POST', url: `${url}/cancel` })).toMatchObject({ status: 202 })
  })

  it('refuses a cursor that no list gave', async () => {
    expect(await api.call({ url: '/v1/runs?cursor=bm9uc2Vuc2U' })).toMatchObject({ status: 400 })
  })
})

describe('while Temporal is away', () => {
  let away: TestApi
  let there: TestApi
  beforeAll(async () => {
    there = await createTestApi()
    away = await createTestApi({ temporalAddress: `127.0.0.1:${await freePort()}` })
    await applyRefund(away)
  })
  afterAll(async () => {
    await away.close()
    await there.close()
  })

  it('a start is stored and answered, and started later by whoever comes', async () => {
    const key = randomUUID()
    const { status, body } = await start(away, { input: { amount: 1 } }, key)
    expect(status).toBe(201)
    expect(body['state']).toBe('pending')
    const about = { organization: 'acme', runId: String(body['run_id']) }
    const delivery = await findDeliveryOfRun(away.database, about)
    if (!delivery) throw new Error('the delivery is not stored')
    expect(delivery.state).toBe('pending')
    const deps = { ...there.deps, database: away.database }
    expect(await startDelivery(deps, delivery)).toBe('started')
    expect(await startDelivery(deps, { ...delivery, state: 'pending' })).toBe('started')
    expect(await findDeliveryOfRun(away.database, about)).toMatchObject({ state: 'started' })
  })

  it('what needs Temporal says so, and when to come back', async () => {
    const { body } = await start(away, { input: { amount: 1 } })
    const answer = await away.call({ url: `/v1/runs/${String(body['run_id'])}` })
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    const ready = await away.call({ url: '/readyz', key: null })
    expect(ready).toMatchObject({ status: 503, body: { database: true, temporal: false } })
  })
})

describe('while PostgreSQL is away', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await createTestApi({ databaseUrl: `postgres://nobody@127.0.0.1:${await freePort()}/none` })
  })
  afterAll(() => api.close())

  it('a start is refused with 503, and says when to come back', async () => {
    const answer = await start(api, { input: { amount: 1 } })
    expect(answer).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(JSON.stringify(answer.body)).not.toMatch(/ECONNREFUSED|127\.0\.0\.1/)
  })

  it('an event is refused with 503', async () => {
    const answer = await api.call({
      method: 'POST',
      url: '/api/trigger-callback',
      body: { type: 'x' },
      key: 'a',
    })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  })
})
