import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { ApiError, createClient, type Client } from '../../sdk/client/index.ts'
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
