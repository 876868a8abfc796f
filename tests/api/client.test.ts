import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { ApiError, createClient, itemsOf, type Client } from '../../sdk/client/index.ts'
import { freePort } from './ports.ts'
import { countRows, createTestApi, returningAutomation, type TestApi } from './support.ts'

let api: TestApi
let baseUrl: string
let client: Client
beforeAll(async () => {
  api = await createTestApi()
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  baseUrl = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`
  client = createClient({ baseUrl: `${baseUrl}/`, apiKey: api.adminKey })
  await client.applyManifests({ manifests: [returningAutomation('echo')] })
})
afterAll(() => api.close())

/** Passes requests on, after the faults given, in order: an answer of this status, or none at all. */
function faulty(faults: (number | 'lost request' | 'lost answer')[]) {
  const sent: Request[] = []
  const fetchWithFaults: typeof fetch = async (input, init) => {
    sent.push(new Request(input, init))
    const fault = faults.shift()
    if (fault === 'lost request') throw new TypeError('fetch failed')
    if (typeof fault === 'number')
      return new Response('busy', { status: fault, headers: { 'retry-after': '0' } })
    const response = await fetch(input, init)
    if (fault === 'lost answer') throw new TypeError('terminated')
    return response
  }
  return { sent, client: createClient({ baseUrl, apiKey: api.adminKey, fetch: fetchWithFaults }) }
}

describe('the client', () => {
  it('has a method for each operation, with its types', async () => {
    const run = await client.startRun({ name: 'echo', input: { a: 1 } })
    expectTypeOf(run.run_id).toEqualTypeOf<string>()
    const shown = await client.getRun({ run_id: run.run_id })
    expect(shown).toMatchObject({ automation: 'echo', input: { a: 1 }, state: 'running' })
    const listed = await client.listRuns({ automation: 'echo', limit: 1 })
    expect(listed.items).toHaveLength(1)
    expect((await client.listKeys()).items.length).toBeGreaterThan(0)
    // @ts-expect-error a run is named by its id
    await expect(client.getRun({})).rejects.toThrow('run_id')
  })

  it('encodes ids that hold a slash', async () => {
    const asked = client.getApproval({ approval_id: 'wb_1.step.1/ask2' })
    await expect(asked).rejects.toMatchObject({ status: 404, code: 'NOT_FOUND' })
  })

  it('throws what the API says', async () => {
    const error: unknown = await client.startRun({ name: 'none' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 404, code: 'NOT_FOUND', detail: 'There is no automation none.' })
    const invalid = client.applyManifests({ manifests: [{ kind: 'Policy', name: 'p' }] })
    await expect(invalid).rejects.toMatchObject({
      code: 'INVALID_MANIFEST',
      errors: [{ path: 'manifests[0].spec' }],
    })
  })

  it('starts one run though requests and answers are lost on the way', async () => {
    const before = await countRows(api.database, 'deliveries')
    const { client: unlucky, sent } = faulty(['lost request', 'lost answer', 503])
    const run = await unlucky.startRun({ name: 'echo', input: { b: 2 } })
    expect(run.duplicate).toBe(true)
    expect(new Set(sent.map((request) => request.headers.get('idempotency-key'))).size).toBe(1)
    expect(await countRows(api.database, 'deliveries')).toBe(before + 1)
  })

  it('uses the key that it is given', async () => {
    const idempotencyKey = randomUUID()
    const first = await client.startRun({ name: 'echo', input: 1 }, { idempotencyKey })
    const second = await client.startRun({ name: 'echo', input: 1 }, { idempotencyKey })
    expect(second).toMatchObject({ run_id: first.run_id, duplicate: true })
  })

  it('gives up after a bounded number of tries', async () => {
    const { client: unlucky, sent } = faulty([503, 503, 503, 503, 503, 503])
    await expect(unlucky.listRuns()).rejects.toMatchObject({ status: 503 })
    expect(sent).toHaveLength(4)
    const nobody = createClient({ baseUrl: `http://127.0.0.1:${await freePort()}`, apiKey: 'x' })
    await expect(nobody.listRuns()).rejects.toMatchObject({ status: 0, code: 'UNAVAILABLE' })
  })

  it('stops when it is told to, also between two tries', async () => {
    const { client: unlucky, sent } = faulty([503, 503, 503])
    const leaving = new AbortController()
    const asked = unlucky.listRuns({}, { signal: leaving.signal })
    leaving.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    expect(sent.length).toBeLessThan(2)
    await expect(client.listRuns({}, { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
      'before',
    )
  })

  it('waits for one try as long as it is told to', async () => {
    const { version } = await client
      .startRun({ name: 'echo' })
      .then(({ run_id }) => client.watchRun({ run_id }))
    expect(version).toBeDefined()
    const silent: typeof fetch = (_input, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))
      })
    const patient = createClient({ baseUrl, apiKey: api.adminKey, fetch: silent })
    const startedMs = performance.now()
    const key = { principal: { id: 'x', kind: 'service' as const }, scopes: ['read' as const] }
    await expect(patient.createKey(key, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })

  it('goes through a list page by page', async () => {
    const ids: string[] = []
    for await (const run of itemsOf(client.listRuns, { limit: 1 })) ids.push(run.run_id)
    expect(ids.length).toBeGreaterThan(1)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('does not repeat what would be done twice, nor what was refused', async () => {
    const body = { principal: { id: 'once', kind: 'service' as const }, scopes: ['read' as const] }
    const lost = faulty(['lost answer'])
    await expect(lost.client.createKey(body)).rejects.toMatchObject({ status: 0 })
    expect(lost.sent).toHaveLength(1)
    const refused = faulty([])
    await expect(refused.client.startRun({ name: 'none' })).rejects.toMatchObject({ status: 404 })
    expect(refused.sent).toHaveLength(1)
  })
})
