/** What authors of MCP servers send events with, against the real callback. */
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTriggerSender } from '../../sdk/triggers/index.ts'
import { freePort } from './ports.ts'
import { billingConnection, countRows, createTestApi, triggerToken, type TestApi } from './support.ts'

let api: TestApi
let callbackUrl: string
let callbackToken: string

beforeAll(async () => {
  api = await createTestApi()
  await api.app.listen({ host: '127.0.0.1', port: 0 })
  callbackUrl = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}/api/trigger-callback`
  await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests: [billingConnection] } })
  callbackToken = await triggerToken(api, 'billing')
})
afterAll(() => api.close())

/** Passes on what is sent, after the faults given, in order. */
function faulty(faults: (number | 'lost request' | 'lost answer')[]) {
  const fetchWithFaults: typeof fetch = async (input, init) => {
    const fault = faults.shift()
    if (fault === 'lost request') throw new TypeError('fetch failed')
    if (typeof fault === 'number')
      return new Response('busy', { status: fault, headers: { 'retry-after': '0' } })
    const response = await fetch(input, init)
    if (fault === 'lost answer') throw new TypeError('terminated')
    return response
  }
  return createTriggerSender({ callbackUrl, callbackToken, fetch: fetchWithFaults })
}

it('sends an event until it is stored, once, whatever is lost in between', async () => {
  const before = await countRows(api.database, 'deliveries')
  const event = { type: 'invoice.paid', data: { id: 'in_1' }, idempotencyKey: 'paid in_1' }
  await faulty(['lost request', 503, 'lost answer']).send(event)
  await faulty([429]).send(event)
  expect(await countRows(api.database, 'deliveries')).toBe(before + 1)
})

it('throws what the callback refuses, at once', async () => {
  const sender = createTriggerSender({ callbackUrl, callbackToken: 'wrong' })
  const sent = sender.send({ type: 'x', idempotencyKey: 'a' })
  await expect(sent).rejects.toMatchObject({ name: 'TriggerError', status: 401 })
})

it('gives up after a bounded number of tries, and as soon as it is told to', async () => {
  const url = `http://127.0.0.1:${await freePort()}/api/trigger-callback`
  const sender = createTriggerSender({ callbackUrl: url, callbackToken })
  await expect(sender.send({ type: 'x', idempotencyKey: 'b' })).rejects.toMatchObject({ status: 0 })
  const stopped = AbortSignal.abort(new Error('enough'))
  const sent = sender.send({ type: 'x', idempotencyKey: 'c' }, { signal: stopped })
  await expect(sent).rejects.toThrow('enough')
})
