/** People come and go: roles, disabling, and keys that end by themselves take effect at once. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createTestApi, type TestApi } from './support.ts'

const LENA = 'lena@example.org'
const OPS = 'ops@example.org'

let api: TestApi

beforeAll(async () => {
  api = await createTestApi()
})
afterAll(() => api.close())

async function makeKey(id: string, scopes: string[], more: Record<string, unknown> = {}) {
  const principal = { id, kind: 'person' }
  return api.call({ method: 'POST', url: '/v1/keys', body: { principal, scopes, ...more } })
}

const change = (id: string, verb: string, body?: unknown, key?: string) =>
  api.call({
    method: 'POST',
    url: `/v1/principals/${encodeURIComponent(id)}/${verb}`,
    body,
    ...(key ? { key } : {}),
  })

const statusWith = async (key: string): Promise<number> => (await api.call({ url: '/v1/me', key })).status

it('sets the roles of a principal, also to none', async () => {
  const { body } = await makeKey(LENA, ['read'])
  const key = String(body['key'])
  const roles = async () => (await api.call({ url: '/v1/me', key })).body['roles']
  const set = await change(LENA, 'roles', { roles: ['lead', 'finance', 'lead'] })
  expect(set).toMatchObject({ status: 200, body: { id: LENA, roles: ['finance', 'lead'] } })
  expect(await roles()).toEqual(['finance', 'lead'])
  expect((await change(LENA, 'roles', { roles: ['lead'] })).body['roles']).toEqual(['lead'])
  expect((await change(LENA, 'roles', { roles: [] })).body['roles']).toEqual([])
  expect(await roles()).toEqual([])
  expect(await change('nobody', 'roles', { roles: [] })).toMatchObject({ status: 404 })
  expect(await change(LENA, 'roles', { roles: ['admin'] }, key)).toMatchObject({ status: 403 })
})

it('shuts a disabled principal out, keeps roles and keys, and lets them in again', async () => {
  const id = 'connection/billing-west'
  const principal = { id, kind: 'service', roles: ['lead'] }
  const { body } = await api.call({
    method: 'POST',
    url: '/v1/keys',
    body: { principal, scopes: ['trigger'] },
  })
  const post = () =>
    api.call({
      method: 'POST',
      url: '/api/trigger-callback',
      key: String(body['key']),
      body: { type: 'x', data: {} },
    })
  expect((await post()).status).toBe(202)
  const disabled = await change(id, 'disable')
  expect(disabled).toMatchObject({ status: 200, body: { disabled_at: expect.any(String) as string } })
  expect((await post()).status).toBe(401)
  expect((await change(id, 'disable')).body['disabled_at']).toBe(disabled.body['disabled_at'])
  // No new key on the side, nor are the roles lost by it.
  const again = await api.call({ method: 'POST', url: '/v1/keys', body: { principal, scopes: ['trigger'] } })
  expect(again).toMatchObject({ status: 400 })
  expect(await change(id, 'enable')).toMatchObject({
    status: 200,
    body: { disabled_at: null, roles: ['lead'] },
  })
  expect((await post()).status).toBe(202)
})

it('does not let the last key with the scope `admin` be revoked', async () => {
  const revoke = (id: string, key = api.adminKey) =>
    api.call({ method: 'DELETE', url: `/v1/keys/${id}`, key })
  const { body } = await api.call({ url: `/v1/keys?principal=${OPS}&state=active` })
  const own = (body['items'] as { id: string }[])[0]?.id ?? ''
  expect(await revoke(own)).toMatchObject({ status: 409, body: { code: 'LAST_ADMIN' } })
  const { body: other } = await makeKey('third@example.org', ['read', 'admin'])
  // Two at once revoke one of them at most.
  const both = await Promise.all([revoke(own), revoke(String(other['id']), String(other['key']))])
  expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
  const survivor = both[0].status === 200 ? String(other['key']) : api.adminKey
  expect(await statusWith(survivor)).toBe(200)
  await api.database.query('update api_keys set revoked_at = null where id = $1', [own])
  expect((await revoke(String(other['id']))).status).toBe(200)
})

it('does not let the last administrator be disabled', async () => {
  expect(await change(OPS, 'disable')).toMatchObject({ status: 409, body: { code: 'LAST_ADMIN' } })
  const expired = await makeKey('temp@example.org', ['admin'], {
    expires_at: new Date(Date.now() + 60_000).toISOString(),
  })
  await api.database.query('update api_keys set expires_at = now() where id = $1', [expired.body['id']])
  expect(await change(OPS, 'disable')).toMatchObject({ status: 409 })
  const key = String((await makeKey('second@example.org', ['read', 'admin'])).body['key'])
  expect(await statusWith(key)).toBe(200)
  // Two at once shut out one of them at most.
  const both = await Promise.all([
    change(OPS, 'disable', undefined, key),
    change('second@example.org', 'disable'),
  ])
  expect(both.filter(({ status }) => status === 200)).toHaveLength(1)
  const survivor = both[0].status === 200 ? key : api.adminKey
  for (const id of [OPS, 'second@example.org']) {
    expect(await change(id, 'enable', undefined, survivor)).toMatchObject({ status: 200 })
  }
})

it('makes keys that end by themselves, and shows them', async () => {
  const expires_at = new Date(Date.now() + 3_600_000).toISOString()
  const { body, status } = await makeKey(LENA, ['read'], { expires_at })
  expect({ status, expires_at: body['expires_at'] }).toEqual({ status: 201, expires_at })
  const url = `/v1/keys/${String(body['id'])}`
  expect((await api.call({ url })).body).toMatchObject({ principal: LENA, expires_at, revoked_at: null })
  expect(await statusWith(String(body['key']))).toBe(200)
  await api.database.query('update api_keys set expires_at = now() where id = $1', [body['id']])
  expect(await statusWith(String(body['key']))).toBe(401)
  const listed = async (state: string) => {
    const items = (await api.call({ url: `/v1/keys?principal=${LENA}&state=${state}` })).body['items']
    return (items as { id: string }[]).some(({ id }) => id === body['id'])
  }
  expect(await listed('expired')).toBe(true)
  expect(await listed('active')).toBe(false)
  expect(await makeKey(LENA, ['read'], { expires_at: '2020-01-01T00:00:00Z' })).toMatchObject({ status: 400 })
  expect(await api.call({ url: `/v1/keys/key_${'0'.repeat(32)}` })).toMatchObject({ status: 404 })
})
