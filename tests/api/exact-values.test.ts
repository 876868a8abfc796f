/**
 * A value that arrives is kept as it is, or refused with its place: through the API and the trigger callback, through
 * what the client sends, and through what people hand to commands.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DeliveryRow } from '../../db/queries/deliveries.ts'
import { readJsonArgument, readYamlFile } from '../../cli/files.ts'
import { MalformedFile } from '../../cli/file-text.ts'
import { UsageError } from '../../cli/errors.ts'
import { createClient } from '../../sdk/client/index.ts'
import { createTriggerSender } from '../../sdk/triggers/index.ts'
import { chanceOf } from '../chaos/random.ts'
import { decimalOf, exactDecimal } from '../support/decimals.ts'
import {
  billingConnection,
  createTestApi,
  returningAutomation,
  triggerToken,
  type TestApi,
} from './support.ts'

const CALLBACK = '/api/trigger-callback'

let api: TestApi
let token: string
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-exact-'))
  api = await createTestApi()
  const trigger = {
    type: 'event',
    connection: 'billing',
    event: 'row.changed',
    input: { v: '${{ event.data.v }}' },
  }
  const manifests = [billingConnection, returningAutomation('keep', { triggers: [trigger] })]
  expect(await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests } })).toMatchObject({
    status: 200,
  })
  token = await triggerToken(api, 'billing')
})
afterAll(async () => {
  await api.close()
  rmSync(folder, { recursive: true, force: true })
})

const start = (v: string) =>
  api.call({ method: 'POST', url: '/v1/automations/keep/runs', body: `{"input": {"v": ${v}}}` })
const event = (v: string) =>
  api.call({
    method: 'POST',
    url: CALLBACK,
    key: token,
    body: `{"type": "row.changed", "data": {"v": ${v}}}`,
  })

const NOT_EXACT = 'is a number that cannot be kept exactly'
const TWICE = 'stands here twice'

const REFUSED: [string, string, string][] = [
  ['9007199254740993', 'v', NOT_EXACT],
  ['1e400', 'v', NOT_EXACT],
  ['0.1000000000000000055', 'v', NOT_EXACT],
  ['1234567890123456.78', 'v', NOT_EXACT],
  ['[1, {"row": -9007199254740993}]', 'v[1].row', NOT_EXACT],
  ['{"to": "alice", "to": "bob"}', 'v.to', TWICE],
]

describe('the API', () => {
  it.each(REFUSED)('refuses %s', async (text, path, message) => {
    const { status, body } = await start(text)
    expect(status).toBe(400)
    expect(body).toMatchObject({
      code: 'INVALID_INPUT',
      errors: [{ path: `input.${path}`, rule: 'exact', message }],
    })
  })

  it('tells every place at once', async () => {
    const { body } = await start('[9007199254740993, 1, 1e400]')
    expect(body['errors']).toMatchObject([{ path: 'input.v[0]' }, { path: 'input.v[2]' }])
  })

  it('says first what is no JSON at all, and keeps names that objects have', async () => {
    const broken = await api.call({ method: 'POST', url: '/v1/manifests', body: '{"v": 9007199254740993' })
    expect(broken.body).toMatchObject({ code: 'INVALID_INPUT' })
    expect(broken.body).not.toHaveProperty('errors')
    expect((await start('{"__proto__": {"a": 1}}')).status).toBe(201)
  })
})

describe('the trigger callback', () => {
  it.each(REFUSED)('refuses %s, in the form of its contract', async (text, path, message) => {
    const { status, body } = await event(text)
    expect(status).toBe(400)
    const place = path === 'v' ? ['v'] : path === 'v.to' ? ['v', 'to'] : ['v', 1, 'row']
    expect(body).toMatchObject({
      error: 'Invalid body',
      details: [{ code: 'custom', path: ['data', ...place] }],
    })
    expect(JSON.stringify(body)).toContain(message)
  })
})

describe('what people hand to commands', () => {
  it.each(REFUSED)('as JSON refuses %s', (text, path, message) => {
    expect(() => readJsonArgument(`{"v": ${text}}`)).toThrow(UsageError)
    expect(() => readJsonArgument(`{"v": ${text}}`)).toThrow(`${path} ${message}`)
  })

  it.each([
    ['a: 1\nrow: 9007199254740993\n', ':2:6: is a number that cannot be kept exactly.'],
    ['rows:\n  - 1\n  - .inf\n', ':3:5: is a number'],
    ['x: .nan\n', ':1:4: is a number'],
    ['x: 1.00000000000000000001\n', ':1:4: is a number'],
    ['x: 0x20000000000001\n', ':1:4: is a number'],
    ['a: 1\nb: 2\na: 3\n', 'Map keys must be unique'],
    [`1: a\n'1': b\n`, ':2:1: the name 1 stands here twice.'],
    ['{"a": {"b": 1e400}}', ':1:13: is a number'],
  ])('as YAML refuses %j with its line', (text, expected) => {
    const path = join(folder, 'file.yaml')
    writeFileSync(path, text)
    expect(() => readYamlFile(path)).toThrow(MalformedFile)
    expect(() => readYamlFile(path)).toThrow(expected)
  })

  it('as YAML keeps other numbers, and texts that look like numbers', () => {
    const path = join(folder, 'file.yaml')
    writeFileSync(path, `[0x1F, 0o17, 1.10, -0, 1e3, '9007199254740993', "1e400", 9007199254740991]`)
    expect(readYamlFile(path).value).toEqual([
      31,
      15,
      1.1,
      -0,
      1000,
      '9007199254740993',
      '1e400',
      9007199254740991,
    ])
  })
})

describe('what the client sends', () => {
  it.each([NaN, Infinity, -Infinity])('is never null for %s', async (value) => {
    const send = async (): Promise<never> => expect.fail('it was sent')
    const client = createClient({ baseUrl: 'http://127.0.0.1:1', apiKey: 'cs_x', fetch: send })
    await expect(client.startRun({ name: 'keep', input: { v: [value] } })).rejects.toThrow(
      'which JSON has not',
    )
    const sender = createTriggerSender({ callbackUrl: 'http://127.0.0.1:1', callbackToken: 'x', fetch: send })
    const sending = sender.send({ type: 'row.changed', data: { v: value }, idempotencyKey: 'k' })
    await expect(sending).rejects.toThrow('which JSON has not')
  })
})

it('any number comes through every door as it was written, or not at all', async () => {
  const chance = chanceOf('doors')
  const texts = Array.from({ length: 60 }, () => decimalOf(chance))
  let refused = 0
  for (const text of texts) {
    const isExact = exactDecimal(text) === exactDecimal(String(Number(text)))
    refused += isExact ? 0 : 1
    const answers = [(await start(text)).status, (await event(text)).status]
    expect([text, ...answers]).toEqual([text, ...(isExact ? [201, 202] : [400, 400])])
    const path = join(folder, 'number.yaml')
    writeFileSync(path, `v: ${text}`)
    if (!isExact) {
      expect(() => readJsonArgument(text), text).toThrow(UsageError)
      expect(() => readYamlFile(path), text).toThrow(MalformedFile)
      continue
    }
    expect([text, readJsonArgument(text), readYamlFile(path).value]).toEqual([
      text,
      Number(text),
      { v: Number(text) },
    ])
    const { rows } = await api.database.query<DeliveryRow & { kept: string }>(
      `select runs->0->'input'->>'v' as kept from deliveries order by received_at desc, id limit 2`,
    )
    for (const { kept } of rows) expect([text, exactDecimal(kept)]).toEqual([text, exactDecimal(text)])
  }
  expect(refused).toBeGreaterThan(10)
  expect(refused).toBeLessThan(50)
})
