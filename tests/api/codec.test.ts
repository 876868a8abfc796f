/** The codec endpoint: whose values it shows to whom, and what a browser needs of it. */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Payload } from '@temporalio/common'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { encodingOf, keysOf, largeValue, payloadOf, valueOf } from '../support/payloads.ts'
import { eventually } from '../support/world.ts'
import { createTestApi, type TestAnswer, type TestApi } from './support.ts'

const TOKEN = 'a-token-for-the-ui-of-one-machine-only'
const UI = 'http://127.0.0.1:8233'

let api: TestApi
let strangerKey: string
let callbackKey: string

beforeAll(async () => {
  api = await createTestApi({ encryption: keysOf('k1'), codecToken: TOKEN })
  strangerKey = (await bootstrapOrganization(api.database, { organization: 'other', admin: 'ops@other.org' }))
    .key
  const created = await api.call({
    method: 'POST',
    url: '/v1/keys',
    body: { principal: { id: 'connection/billing', kind: 'service', roles: [] }, scopes: ['trigger'] },
  })
  callbackKey = String(created.body['key'])
})

afterAll(() => api.close())

const wire = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  ),
  data: Buffer.from(data ?? []).toString('base64'),
})

interface WirePayload {
  metadata: Record<string, string>
  data: string
}

const payloadsIn = ({ body }: TestAnswer): Payload[] =>
  (body['payloads'] as WirePayload[]).map(({ metadata, data }) => ({
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
    ),
    data: Buffer.from(data, 'base64'),
  }))

const ask = (url: string, payloads: Payload[], key?: string | null) =>
  api.call({
    method: 'POST',
    url,
    body: { payloads: payloads.map(wire) },
    ...(key === undefined ? {} : { key }),
  })

const encoded = (...values: unknown[]) =>
  Promise.all(values.map((value) => api.deps.payloads.encode(payloadOf(value), 'acme')))

describe('the codec endpoint', () => {
  it('shows small and large values of the key’s organization, encrypted or not', async () => {
    const large = largeValue(100_000, 'large')
    const payloads = [...(await encoded('small', large)), payloadOf('plain')]
    const shown = await ask('/codec/decode', payloads)
    expect(shown.status).toBe(200)
    expect(payloadsIn(shown).map(valueOf)).toEqual(['small', large, 'plain'])
  })

  it('encodes what people type into the Temporal UI', async () => {
    const [payload] = payloadsIn(await ask('/codec/encode', [payloadOf({ verdict: 'approve' })]))
    expect(payload && encodingOf(payload)).toBe('binary/countersign-encrypted')
    const [again] = payloadsIn(await ask('/codec/decode', payload ? [payload] : []))
    expect(again && valueOf(again)).toEqual({ verdict: 'approve' })
  })

  it.each([
    ['small', 'planted'],
    ['large', largeValue(100_000, 'planted')],
  ])('refuses a %s value of another organization, and shows nothing of it', async (_size, value) => {
    const refused = await ask('/codec/decode', await encoded(value), strangerKey)
    expect(refused).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } })
    expect(JSON.stringify(refused.body)).not.toContain('planted')
  })

  it('refuses without a key, with a wrong one, and with one for something else', async () => {
    const payloads = await encoded('x')
    expect(await ask('/codec/decode', payloads, null)).toMatchObject({ status: 401 })
    expect(await ask('/codec/decode', payloads, 'cs_wrong')).toMatchObject({ status: 401 })
    expect(await ask('/codec/decode', payloads, callbackKey)).toMatchObject({ status: 403 })
  })

  it('says which value is gone', async () => {
    const [claim] = await encoded(largeValue(20_000, 'gone'))
    const sha256 = Buffer.from(claim?.data ?? []).toString()
    // Over another database.
    const fresh = await createTestApi({ encryption: keysOf('k1') })
    const answer = await fresh.call({
      method: 'POST',
      url: '/codec/decode',
      body: { payloads: claim ? [wire(claim)] : [] },
    })
    await fresh.close()
    expect(answer).toMatchObject({ status: 503, body: { code: 'PAYLOAD_UNAVAILABLE' } })
    expect(String(answer.body['detail'])).toContain(sha256.slice(0, 12))
  })

  it('bounds what one answer holds', async () => {
    const [claim] = await encoded(largeValue(3_000_000))
    const answer = await ask(
      '/codec/decode',
      Array.from({ length: 20 }, () => claim ?? {}),
    )
    expect(answer).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } })
  })

  it('works on one request of an organization at a time, and keeps no other organization waiting', async () => {
    const holder = await api.database.connect()
    await holder.query('begin')
    await holder.query('lock table payloads in exclusive mode')
    const waiting = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
    const workedOn = async () => (await api.database.query(waiting)).rowCount
    let answered = 0
    const many = Array.from({ length: 8 }, async (_, index) => {
      await ask('/codec/encode', [payloadOf(largeValue(100_000, `slow ${index}`))])
      answered++
    })
    await eventually(async () => (await workedOn()) !== 0)
    const other = ask('/codec/encode', [payloadOf('small')], strangerKey).then(({ status }) => status)
    const gaveUp = setTimeout(5_000, 'it waits', { ref: false })
    expect({ other: await Promise.race([other, gaveUp]), answered, workedOn: await workedOn() }).toEqual({
      other: 200,
      answered: 0,
      workedOn: 1,
    })
    await holder.query('commit')
    holder.release()
    await Promise.all(many)
  })

  it.each([{}, { payloads: 1 }, { payloads: [{ data: 'not base64!' }] }, []])(
    'refuses a body of another form: %j',
    async (body) => {
      const answer = await api.call({ method: 'POST', url: '/codec/decode', body })
      expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
    },
  )
})

describe('a browser', () => {
  const preflight = (url: string, origin: string) =>
    api.app.inject({
      method: 'OPTIONS',
      url,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type,x-namespace',
      },
    })

  it.each([UI, 'http://localhost:8233'])('with the Temporal UI at %s may ask', async (origin) => {
    for (const url of ['/codec/decode', '/codec/encode', `/codec/open/${TOKEN}/decode`]) {
      const answer = await preflight(url, origin)
      expect(answer.statusCode).toBe(204)
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'POST',
        'access-control-allow-headers': expect.stringMatching(
          /content-type.*authorization.*x-namespace/,
        ) as string,
      })
    }
  })

  it('may read the answer, and the reason of a refusal', async () => {
    for (const key of [api.adminKey, null]) {
      const answer = await api.call({
        method: 'POST',
        url: '/codec/decode',
        body: { payloads: [] },
        key,
        headers: { origin: UI },
      })
      expect(answer.headers).toMatchObject({ 'access-control-allow-origin': UI, vary: 'origin' })
    }
  })

  it('with a page from elsewhere may not', async () => {
    const answer = await preflight('/codec/decode', 'https://evil.example')
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })
})

describe('the open codec endpoint', () => {
  it('shows the values of every organization to whoever has the token', async () => {
    const theirs = await api.deps.payloads.encode(payloadOf('theirs'), 'other')
    const shown = await ask(
      `/codec/open/${TOKEN}/decode?preserveStorageRefs=true`,
      [theirs, ...(await encoded('ours'))],
      null,
    )
    expect(payloadsIn(shown).map(valueOf)).toEqual(['theirs', 'ours'])
  })

  it('refuses another token, and does not exist without one', async () => {
    expect(await ask(`/codec/open/${TOKEN}x/decode`, [], null)).toMatchObject({ status: 401 })
    const closed = await createTestApi()
    const answer = await closed.call({
      method: 'POST',
      url: `/codec/open/undefined/decode`,
      body: { payloads: [] },
    })
    await closed.close()
    expect(answer.status).toBe(404)
  })
})
