/** Bodies as senders make them: what can be read is read, and of the rest it is said what it is. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  billingConnection,
  createTestApi,
  returningAutomation,
  triggerToken,
  type TestApi,
} from './support.ts'

const EVENT = { type: 'row.changed', data: { name: 'Größe 👍' } }
const START = { input: { name: 'Größe 👍' } }

let api: TestApi
let url: string
let token: string

beforeAll(async () => {
  api = await createTestApi()
  const trigger = {
    type: 'event',
    connection: 'billing',
    event: 'row.changed',
    input: { name: '${{ event.data.name }}' },
  }
  const input = {
    type: 'object',
    properties: { count: { type: 'integer', maximum: 5 }, name: { type: 'string' } },
    additionalProperties: false,
  }
  const manifests = [billingConnection, returningAutomation('keep', { triggers: [trigger], input })]
  expect(await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })).toMatchObject({
    status: 200,
  })
  token = await triggerToken(api, 'billing')
  url = await api.app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(() => api.close())

interface Told {
  status: number
  text: string
}

async function send(
  path: string,
  key: string,
  body: Buffer,
  headers: Record<string, string> = {},
): Promise<Told> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: new Uint8Array(body),
  })
  return { status: response.status, text: await response.text() }
}

/** Through both doors, which take the same bodies. */
async function both(
  make: (json: string) => Buffer,
  headers: Record<string, string> = {},
): Promise<[Told, Told]> {
  return [
    await send('/v1/automations/keep/runs', api.adminKey, make(JSON.stringify(START)), headers),
    await send('/api/trigger-callback', token, make(JSON.stringify(EVENT)), headers),
  ]
}

const utf16 = (json: string): Buffer => Buffer.from(`\ufeff${json}`, 'utf16le')
const latin1 = (json: string): Buffer => Buffer.from(json.replace(' 👍', ''), 'latin1')

describe('a body that can be read', () => {
  it.each<[string, (json: string) => Buffer, Record<string, string>]>([
    ['with a mark at its beginning', (json) => Buffer.from(`\ufeff${json}`), {}],
    ['in UTF-16 with its mark', utf16, {}],
    ['in Latin-1, as it says', latin1, { 'content-type': 'application/json; charset=ISO-8859-1' }],
    ['as gzip', (json) => gzipSync(json), { 'content-encoding': 'gzip' }],
  ])('%s is what was meant', async (_name, make, headers) => {
    const [started, heard] = await both(make, headers)
    expect([started.status, heard.status], started.text + heard.text).toEqual([201, 202])
    const { rows } = await api.database.query<{ name: string }>(
      `select runs->0->'input'->>'name' as name from deliveries order by received_at desc, id limit 2`,
    )
    for (const { name } of rows) expect(name).toMatch(/^Größe/)
  })

  it('may have fields with names that every object has', async () => {
    const { status } = await send(
      '/api/trigger-callback',
      token,
      Buffer.from('{"type": "x", "data": {"__proto__": 1, "constructor": {"prototype": 2}}}'),
    )
    expect(status).toBe(202)
  })
})

describe('a body that cannot be read', () => {
  it.each<[string, (json: string) => Buffer, Record<string, string>, number, string]>([
    ['in Latin-1 that says nothing', latin1, {}, 400, 'is not in utf-8'],
    [
      'in Latin-1 that says UTF-8',
      latin1,
      { 'content-type': 'application/json; charset="utf-8"' },
      400,
      'is not in utf-8',
    ],
    [
      'in an encoding nobody knows',
      (json) => Buffer.from(json),
      { 'content-type': 'application/json; charset=klingon' },
      415,
      'charset klingon',
    ],
    ['as gzip that says nothing', (json) => gzipSync(json), {}, 400, 'is gzip'],
    ['as no gzip', (json) => Buffer.from(json), { 'content-encoding': 'gzip' }, 400, 'is not gzip'],
    ['as brotli', (json) => Buffer.from(json), { 'content-encoding': 'br' }, 415, 'Content-Encoding br'],
    [
      'with a number that is none',
      (json) => Buffer.from(json.replace(/"Gr.*"/, 'NaN')),
      {},
      400,
      'is not JSON',
    ],
    [
      'nested 150 deep',
      () => Buffer.from(`${'['.repeat(150)}${']'.repeat(150)}`),
      {},
      400,
      'nested over 100 deep',
    ],
    ['that is empty', () => Buffer.from(' '), {}, 400, 'is not JSON'],
  ])('%s is told so', async (_name, make, headers, status, says) => {
    for (const told of await both(make, headers)) {
      expect([told.status, told.text.includes(says)], told.text).toEqual([status, true])
      expect(told.text).not.toContain('received undefined')
    }
  })

  it('is too large when it is unpacked', async () => {
    const [started, heard] = await both((json) => gzipSync(json.replace('Größe', 'x'.repeat(2_000_000))), {
      'content-encoding': 'gzip',
    })
    expect([started.status, heard.status]).toEqual([413, 413])
  })
})

describe('all that is wrong is told at once:', () => {
  const placesOf = async (path: string, body: string): Promise<string[]> => {
    const { status, text } = await send(path, api.adminKey, Buffer.from(body))
    expect(status, text).toBe(400)
    return (JSON.parse(text) as { errors: { path: string }[] }).errors.map((place) => place.path).toSorted()
  }
  const WRONG =
    '{"inputt": 1, "input": {"count": 6, "other": "\\u0000", "name": 9007199254740993}, "on_behalf_of": ["Bob", "nobody@x.example"]}'

  it.each(['/v1/automations/keep/runs', '/v1/automations/keep/dry-run'])(
    'of a request to %s its numbers, its form, and what it means',
    async (path) => {
      expect(await placesOf(path, WRONG)).toEqual([
        '(body)',
        'input',
        'input.count',
        'input.name',
        'input.other',
        'on_behalf_of[0]',
        'on_behalf_of[1]',
      ])
    },
  )

  it('a number hides nothing else of the same input, and nothing is started', async () => {
    const { rows: before } = await api.database.query('select count(*) from deliveries')
    expect(await placesOf('/v1/automations/keep/runs', '{"input": {"count": 6, "name": 1e400}}')).toEqual([
      'input.count',
      'input.name',
    ])
    expect((await api.database.query('select count(*) from deliveries')).rows).toEqual(before)
  })

  it('texts that cannot be kept hide nothing either', async () => {
    const body = '{"input": {"count": 6, "name": "\\u0000"}, "on_behalf_of": ["nobody@x.example"]}'
    expect(await placesOf('/v1/automations/keep/runs', body)).toEqual([
      'input.count',
      'input.name',
      'on_behalf_of[0]',
    ])
  })

  it('of manifests', async () => {
    const steps = '[{"name": "end", "return": [9007199254740993, "${{ inptu.x }}"]}]'
    const one = `{"kind": "Automation", "name": "one", "spec": {"steps": ${steps}}}`
    const body = `{"more": 1, "manifests": [${one}, {"kind": "Policy", "name": "two", "spec": {"rulez": []}}]}`
    const places = await placesOf('/v1/manifests', body)
    expect(places).toEqual(
      expect.arrayContaining([
        '(body)',
        'manifests[0].spec.steps[0].return[0]',
        'manifests[0].spec.steps[0].return[1]',
        'manifests[1].spec',
      ]),
    )
  })

  it('of an event', async () => {
    const { status, text } = await send('/api/trigger-callback', token, Buffer.from('{"data": {"v": 1e400}}'))
    expect(status).toBe(400)
    expect((JSON.parse(text) as { details: { path: unknown[] }[] }).details.map(({ path }) => path)).toEqual([
      ['type'],
      ['data', 'v'],
    ])
  })
})
