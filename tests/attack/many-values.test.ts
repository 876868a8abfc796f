/**
 * The attacker is a tenant whose values are short and many: lists of empty lists, names without end, the same value again
 * and again. Whoever walks over them keeps everybody else waiting, in a worker or in the API.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { listDeliveries } from '../../db/queries/delivery-lists.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { LIMITS } from '../../lib/limits.ts'
import { JsonSchema } from '../../schemas/common.ts'
import { createClient, type Client } from '../../sdk/client/index.ts'
import { startTestMcpServer, textResult, type TestMcpServer } from '../support/mcp-server.ts'
import { eventually, startWorld, type World } from '../support/world.ts'
import { startWorkerProcess } from '../support/worker-process.ts'

const MB = 1024 * 1024
const emptyLists = (count: number): JsonValue[] => Array.from({ length: count }, () => [])

let world: World
let server: TestMcpServer
let answer: JsonObject = {}

beforeAll(async () => {
  const inputSchema = { type: 'object' as const }
  server = await startTestMcpServer({
    tools: [
      { name: 'look', inputSchema, run: () => ({ content: [], structuredContent: answer }) },
      { name: 'take', inputSchema, run: () => textResult('ok') },
      { name: 'put', inputSchema, run: () => textResult('ok') },
    ],
  })
  world = await startWorld()
  const read = { class: 'read' }
  const tools = { look: read, take: read, put: { class: 'write' } }
  const spec = { type: 'mcp', transport: 'http', url: server.url, allow_private_addresses: true, tools }
  await world.admin.applyManifests({ manifests: [{ kind: 'Connection', name: 'tools', spec }] })
  await define('look', [call('look', {}), call('take', { all: '${{ steps.look.output }}' })])
  await define('put', [call('put', '${{ input }}')])
})

afterAll(async () => {
  await world.close()
  await server.close()
})

beforeEach(() => {
  answer = {}
})

const call = (tool: string, args: JsonObject | string): JsonObject => ({
  name: tool,
  tool_call: { connection: 'tools', tool, arguments: args },
})

async function define(name: string, steps: JsonObject[], more: JsonObject = {}): Promise<void> {
  await world.admin.applyManifests({ manifests: [{ kind: 'Automation', name, spec: { ...more, steps } }] })
}

/** The code of its failure, or its state. */
async function endOf(client: Client, runId: string): Promise<string> {
  return eventually(async () => {
    const { state, failure } = await client.getRun({ run_id: runId })
    return state !== 'running' && (failure?.code ?? state)
  }, 60_000)
}

async function codeOf(name: string, input: JsonValue = {}): Promise<string> {
  const { run_id } = await world.admin.startRun({ name, input })
  return endOf(world.admin, run_id)
}

/** What anybody with the key may send, as it is. */
async function post(path: string, body: unknown): Promise<{ status: number; body: JsonObject }> {
  const response = await fetch(`${world.apiUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, body: (await response.json()) as JsonObject }
}

describe('a value', () => {
  test('of a tool with more values in it than a run keeps fails its step', async () => {
    answer = { all: emptyLists(LIMITS.valueParts / 2) }
    expect(await codeOf('look')).toBe('completed')
    answer = { all: emptyLists(LIMITS.valueParts) }
    expect(await codeOf('look')).toBe('RESULT_TOO_LARGE')
  })

  test('of code with more values in it than a run keeps fails its step', async () => {
    const source = `export default () => Array.from({ length: ${LIMITS.valueParts} }, () => [])`
    await define('code', [{ name: 'many', code: { source } }])
    expect(await codeOf('code')).toBe('VALUE_TOO_LARGE')
  })

  test('of an expression with more values in it than a run keeps fails its step', async () => {
    const both = '${{ [input.some, input.some] }}'
    await define('twice', [{ name: 'both', return: both }])
    expect(await codeOf('twice', { some: emptyLists(LIMITS.valueParts / 4) })).toBe('completed')
    expect(await codeOf('twice', { some: emptyLists(LIMITS.valueParts / 2) })).toBe('VALUE_TOO_LARGE')
  })

  test('of many, each short enough, ends the run where all of them together are too many', async () => {
    answer = { all: emptyLists(LIMITS.valueParts - 10) }
    const steps = Array.from({ length: 6 }, (_, index) => ({ ...call('look', {}), name: `look${index}` }))
    await define('often', steps)
    const calls = server.calls.length
    expect(await codeOf('often')).toBe('VALUE_TOO_LARGE')
    expect(server.calls.length - calls).toBe(5)
  })

  test('that once took the worker with it does so no more, and others run on beside it', async () => {
    const own = await startWorld({ worker: false })
    const worker = await startWorkerProcess(own)
    try {
      const { key } = await bootstrapOrganization(own.database, {
        organization: 'rival',
        admin: 'r@rival.example',
      })
      const rival = createClient({ baseUrl: own.apiUrl, apiKey: key })
      const spec = {
        type: 'mcp',
        transport: 'http',
        url: server.url,
        allow_private_addresses: true,
        tools: { look: { class: 'read' }, take: { class: 'read' } },
      }
      const steps = [call('look', {}), call('take', { all: '${{ steps.look.output }}' })]
      await own.admin.applyManifests({
        manifests: [
          { kind: 'Connection', name: 'tools', spec },
          { kind: 'Automation', name: 'look', spec: { steps } },
        ],
      })
      await rival.applyManifests({
        manifests: [{ kind: 'Automation', name: 'plain', spec: { steps: [{ name: 'end', return: 1 }] } }],
      })
      answer = { all: emptyLists(1_300_000) }
      const { run_id } = await own.admin.startRun({ name: 'look' })
      const beside = await rival.startRun({ name: 'plain' })
      expect(await endOf(own.admin, run_id)).toBe('RESULT_TOO_LARGE')
      expect(await endOf(rival, beside.run_id)).toBe('completed')
      expect(worker.output()).not.toMatch(/async hook stack|Native stack trace/)
    } finally {
      await worker.stop()
      await own.close()
    }
  })
})

describe('a request', () => {
  const many = { input: { all: emptyLists(240_000) } }

  test('with more values than one may have is refused before they are made', async () => {
    const refused = await post('/v1/automations/put/runs', many)
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
    expect(refused.body['errors']).toMatchObject([{ path: '(body)', rule: 'limit' }])
    expect(await post('/codec/decode', { payloads: emptyLists(240_000) })).toMatchObject({ status: 400 })
  })

  test('of a server with more values than one may have is refused by the callback', async () => {
    const created = await world.admin.createKey({
      principal: { id: 'connection/tools', kind: 'service' },
      scopes: ['trigger'],
    })
    const response = await fetch(`${world.apiUrl}/api/trigger-callback`, {
      method: 'POST',
      headers: { authorization: `Bearer ${created.key}` },
      body: JSON.stringify({ type: 'changed', data: many.input }),
    })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain(`has over ${LIMITS.valueParts} values and names`)
  })

  test('has its values looked at, and not made anew one by one', () => {
    const value = { all: emptyLists(10) }
    expect(JsonSchema.parse(value)).toBe(value)
    for (const none of [undefined, Number.NaN, { at: new Date() }, [() => 1]])
      expect(JsonSchema.safeParse(none).success).toBe(false)
  })
})

describe('the codec', () => {
  const encoding = Buffer.from('json/plain').toString('base64')
  const payload = (bytes: number): JsonObject => ({
    metadata: { encoding },
    data: Buffer.alloc(bytes, '1').toString('base64'),
  })

  test('takes as much beside a value as Temporal has to say of it', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`k${index}`, 'aaaa']))
    const refused = await post('/codec/encode', { payloads: [{ metadata, data: '' }] })
    expect(refused).toMatchObject({ status: 400, body: { code: 'INVALID_INPUT' } })
  })

  test('answers with as much as a run keeps, however often the same value is named', async () => {
    const { body } = await post('/codec/encode', { payloads: [payload(3.9 * MB)] })
    const [kept] = body['payloads'] as JsonObject[]
    const times = (count: number) => ({ payloads: Array.from({ length: count }, () => kept) })
    expect((await post('/codec/decode', times(4))).status).toBe(200)
    expect(await post('/codec/decode', times(12))).toMatchObject({
      status: 413,
      body: { code: 'PAYLOAD_TOO_LARGE' },
    })
  })

  test('leaves a turn to others after each value', async () => {
    let rounds = 0
    let isOver = false
    const count = (): void => {
      rounds++
      if (!isOver) setImmediate(count)
    }
    const asked = post('/codec/encode', { payloads: Array.from({ length: 500 }, () => payload(1)) })
    count()
    expect((await asked).status).toBe(200)
    isOver = true
    expect(rounds).toBeGreaterThanOrEqual(500)
  })
})

describe('a page of a list', () => {
  const TEXT = 'x'.repeat(900_000)
  const COUNT = 12

  beforeAll(async () => {
    const rules = [
      {
        name: 'ask',
        match: { connection: 'tools', operation: 'put' },
        require: { stages: [{ roles: ['lead'] }] },
      },
    ]
    await world.admin.applyManifests({ manifests: [{ kind: 'Policy', name: 'put', spec: { rules } }] })
    await world.as('lena@acme.example', ['lead'])
    for (let index = 0; index < COUNT; index++)
      await world.admin.startRun({ name: 'put', input: { text: TEXT } })
    await eventually(async () => {
      const { rows } = await world.database.query(`select 1 from approvals where state = 'waiting'`)
      return rows.length === COUNT
    }, 60_000)
  })

  test.each(['approvals', 'writebacks'])(
    'of %s ends early where its values are too large together',
    async (what) => {
      const seen = new Set<unknown>()
      let cursor: string | null = ''
      let pages = 0
      while (cursor !== null) {
        const query = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
        const response = await fetch(`${world.apiUrl}/v1/${what}?limit=100${query}`, {
          headers: { authorization: `Bearer ${world.adminKey}` },
        })
        const text = await response.text()
        expect(text.length).toBeLessThan(6 * MB)
        const page = JSON.parse(text) as { items: { writeback_id: string }[]; next_cursor: string | null }
        expect(page.items.length).toBeGreaterThan(0)
        for (const { writeback_id } of page.items) seen.add(writeback_id)
        cursor = page.next_cursor
        pages++
      }
      expect(seen.size).toBe(COUNT)
      expect(pages).toBeGreaterThanOrEqual(3)
    },
  )

  test('of deliveries has not read the inputs that it does not show', async () => {
    const rows = await listDeliveries(world.database, { organization: world.organization, limit: 100 })
    expect(rows.filter(({ runs }) => runs[0]?.automation === 'put').length).toBeGreaterThanOrEqual(COUNT)
    expect(JSON.stringify(rows).length).toBeLessThan(TEXT.length)
  })
})
