import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OPERATIONS } from '../../schemas/operations.ts'
import { IMPLEMENTATIONS } from '../../api/operations/index.ts'
import { createTestApi, type TestApi } from './support.ts'
import { JSON_SCHEMAS } from '../../schemas/json-schemas.ts'

let api: TestApi
beforeAll(async () => {
  api = await createTestApi()
})
afterAll(() => api.close())

async function makeKey(scopes: string[], id = 'reader@example.org') {
  const { body } = await api.call({
    method: 'POST',
    url: '/v1/keys',
    body: { principal: { id, kind: 'person' }, scopes },
  })
  return { id: String(body['id']), key: String(body['key']) }
}

describe('the address alone', () => {
  it('leads to what the API can do, without a key', async () => {
    const answer = await api.app.inject('/')
    expect(answer.statusCode).toBe(302)
    expect(answer.headers['location']).toBe('/docs')
    expect(answer.body).toContain('/openapi.json')
  })
})

describe('who is asking', () => {
  it('is asked for before the body is read', async () => {
    const broken = { method: 'POST', url: '/v1/manifests', body: '{"manifests":', key: null } as const
    const answer = await api.call(broken)
    expect(answer.status).toBe(401)
    expect(answer.body).toMatchObject({ code: 'UNAUTHENTICATED', status: 401 })
    expect(answer.headers['www-authenticate']).toBe('Bearer')
  })

  it('refuses a wrong key before it looks at a body that is too large', async () => {
    const body = JSON.stringify({ filler: 'x'.repeat(2 * 1024 * 1024) })
    const answer = await api.call({ method: 'POST', url: '/v1/manifests', body, key: 'cs_wrong' })
    expect(answer.status).toBe(401)
  })

  it('takes the prefix as it is written', async () => {
    const headers = { authorization: `bearer ${api.adminKey}` }
    expect((await api.call({ url: '/v1/runs', key: null, headers })).status).toBe(401)
  })

  it('names the scope that a key lacks', async () => {
    const { key } = await makeKey(['read'])
    const answer = await api.call({ method: 'POST', url: '/v1/manifests', body: '{', key })
    expect(answer.status).toBe(403)
    expect(answer.body['detail']).toContain('`admin`')
  })

  it('refuses a key at once when it is revoked', async () => {
    const { id, key } = await makeKey(['read'], 'gone@example.org')
    expect((await api.call({ url: '/v1/runs', key })).status).toBe(200)
    expect((await api.call({ method: 'DELETE', url: `/v1/keys/${id}` })).status).toBe(200)
    expect((await api.call({ url: '/v1/runs', key })).status).toBe(401)
  })

  it('keeps roles that a second key does not mention, and never turns an agent into a person', async () => {
    const principal = { id: 'bot', kind: 'agent', roles: ['finance'] }
    await api.call({ method: 'POST', url: '/v1/keys', body: { principal, scopes: ['read'] } })
    const again = { principal: { id: 'bot', kind: 'agent' }, scopes: ['start'] }
    const second = await api.call({ method: 'POST', url: '/v1/keys', body: again })
    expect(second.body['roles']).toEqual(['finance'])
    const person = { principal: { id: 'bot', kind: 'person' }, scopes: ['approve'] }
    expect((await api.call({ method: 'POST', url: '/v1/keys', body: person })).status).toBe(400)
  })

  it('gives the trigger scope to connections only, and alone', async () => {
    const cases = [
      { principal: { id: 'alice', kind: 'person' }, scopes: ['trigger'] },
      { principal: { id: 'connection/billing', kind: 'service' }, scopes: ['trigger', 'read'] },
      { principal: { id: 'connection/billing', kind: 'service' }, scopes: ['admin'] },
    ]
    for (const body of cases) {
      expect((await api.call({ method: 'POST', url: '/v1/keys', body })).status).toBe(400)
    }
  })
})

describe('a request that is refused', () => {
  it('is a problem with code, detail, hint and request id', async () => {
    const answer = await api.call({ method: 'POST', url: '/v1/manifests', body: '{"manifests":' })
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.body).toMatchObject({
      type: 'urn:countersign:problem:invalid-input',
      code: 'INVALID_INPUT',
      request_id: answer.headers['x-request-id'],
    })
    expect(answer.body['hint']).toBeTypeOf('string')
  })

  it('may not be over 1 MB', async () => {
    const body = JSON.stringify({ manifests: [{ filler: 'x'.repeat(2 * 1024 * 1024) }] })
    const answer = await api.call({ method: 'POST', url: '/v1/manifests', body })
    expect(answer).toMatchObject({ status: 413, body: { code: 'PAYLOAD_TOO_LARGE' } })
  })

  it('may not be nested without end', async () => {
    const body = `{"manifests":${'['.repeat(50_000)}${']'.repeat(50_000)}}`
    const answer = await api.call({ method: 'POST', url: '/v1/manifests', body })
    expect(answer).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
  })

  it('has to be JSON', async () => {
    const headers = { 'content-type': 'text/plain' }
    const answer = await api.call({ method: 'POST', url: '/v1/manifests', body: 'x', headers })
    expect(answer).toMatchObject({ status: 415, body: { code: 'UNSUPPORTED_MEDIA_TYPE' } })
  })

  it('is told all that is wrong with it, with places', async () => {
    const url = '/v1/approvals/wb_x.y.1/decisions'
    const answer = await api.call({ method: 'POST', url, body: { verdict: 'maybe', digest: 'x', extra: 1 } })
    expect(answer.status).toBe(400)
    const paths = (answer.body['errors'] as { path: string }[]).map(({ path }) => path)
    expect(paths).toEqual(expect.arrayContaining(['verdict', 'digest', '(body)']))
  })

  it.each(['/v1/nothing', '/v1', '/v1/runs/extra/parts/here', '/%ff'])(
    'at %s is a problem too',
    async (url) => {
      const answer = await api.call({ url })
      expect(answer.headers['content-type']).toContain('application/problem+json')
      expect(answer.body['code']).toMatch(/NOT_FOUND|INVALID_INPUT/)
    },
  )

  it.each([
    '/v1/runs/run_00000000000000000000000000000000',
    '/v1/approvals/wb_00000000.step.1%2Fask2',
    '/v1/writebacks/wb_00000000.step.1',
    '/v1/manifests/Policy/none',
    '/v1/runs/run_00000000000000000000000000000000/receipts',
  ])('for %s says that it does not exist', async (url) => {
    expect(await api.call({ url })).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  })
})

describe('the description', () => {
  it('serves the JSON Schemas of documents to editors, without a key', async () => {
    const { status, body } = await api.call({ url: '/schemas/manifest.json', key: null })
    expect(status).toBe(200)
    expect(body).toEqual(JSON_SCHEMAS.manifest())
  })

  it('has every operation of the table, and every operation has a handler', async () => {
    const { body } = await api.call({ url: '/openapi.json', key: null })
    expect(body['openapi']).toBe('3.1.0')
    const paths = body['paths'] as Record<string, Record<string, { operationId: string }>>
    const described = Object.values(paths).flatMap((path) =>
      Object.values(path).map((entry) => entry.operationId),
    )
    expect(described.sort()).toEqual(Object.keys(OPERATIONS).sort())
    expect(IMPLEMENTATIONS.map(({ operation }) => operation.name).sort()).toEqual(described)
  })

  it('refers to nothing that is not in it', async () => {
    const { body } = await api.call({ url: '/openapi.json', key: null })
    const text = JSON.stringify(body)
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path.split('/'))
    const dangling = references.filter((path) => {
      const follow = (value: unknown, part: string) => (value as Record<string, unknown> | undefined)?.[part]
      return path.reduce<unknown>(follow, body) === undefined
    })
    expect(dangling).toEqual([])
  })
})

describe('health', () => {
  it('says whether the process lives and whether it can serve', async () => {
    expect(await api.call({ url: '/healthz', key: null })).toMatchObject({ status: 200 })
    const ready = await api.call({ url: '/readyz', key: null })
    expect(ready).toMatchObject({ status: 200, body: { database: true, temporal: true } })
  })
})
