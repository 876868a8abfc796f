/** Servers that answer oddly, or late, and what becomes of runs: what can be used is used, and a step ends in its time. */
import type { ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../../lib/canonical-json.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { startTestMcpServer, textResult, type TestMcpServer, type TestTool } from '../support/mcp-server.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'

let s: Scenario
let odd: TestMcpServer
/** Instead of what the tool of the call answers: a result as JSON, or all of the answer. */
let result: string | ((response: ServerResponse, about: string) => void) | null = null

const anything = { type: 'object' as const }
const text =
  (answer: string): TestTool['run'] =>
  () =>
    textResult(answer)

const TOOLS: TestTool[] = [
  { name: 'read', inputSchema: anything, run: text('read') },
  { name: 'write', inputSchema: anything, run: text('written') },
  {
    name: 'read_declared',
    inputSchema: anything,
    outputSchema: { type: 'object', properties: { id: { type: 'number' } }, required: ['id'] },
    run: text('read'),
  },
  {
    name: 'write_declared',
    inputSchema: anything,
    outputSchema: { type: 'object', properties: { id: { type: 'number' } }, required: ['id'] },
    run: text('written'),
  },
  {
    name: 'unusable',
    // `properties` as PHP writes an empty object.
    inputSchema: {
      type: 'object',
      properties: [] as unknown as object,
      required: ['x'],
    } as TestTool['inputSchema'],
    description: 'with \0 and half a pair: \ud83d',
    run: ({ about }) => textResult(String(about)),
  },
]

const SPEC: JsonObject = {
  type: 'mcp',
  transport: 'http',
  allow_private_addresses: true,
  timeout: '20s',
  tools: {
    read: { class: 'read' },
    read_declared: { class: 'read' },
    unusable: { class: 'read' },
    write: {
      class: 'write',
      resend: 'check',
      check: { tool: 'read', arguments: {}, applied_if: 'json(result.text).written == arguments.about' },
    },
    write_declared: { class: 'write' },
  },
}

beforeAll(async () => {
  odd = await startTestMcpServer({
    tools: TOOLS,
    intercept: ({ method, id, params }, response) => {
      if (method !== 'tools/call' || result === null) return false
      if (typeof result === 'function') result(response, String(params?.arguments?.['about']))
      else {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(`{"jsonrpc": "2.0", "id": ${id}, "result": ${result}}`)
      }
      return true
    },
  })
  const script = fileURLToPath(new URL('../support/dying-stdio.mjs', import.meta.url))
  s = await startScenario({ commands: { dying: { command: process.execPath, args: [script] } } })
  const dying = { type: 'mcp', transport: 'stdio', command: 'dying', timeout: '2s' }
  await s.apply(
    { kind: 'Connection', name: 'odd', spec: { ...SPEC, url: odd.url } },
    { kind: 'Connection', name: 'dying', spec: { ...dying, tools: { write: { class: 'write' } } } },
  )
})

afterAll(async () => {
  await s?.close()
  await odd?.close()
})

async function ending(
  tool: string,
  { answer = null, timeout }: { answer?: typeof result; timeout?: string } = {},
) {
  const name = `odd-${tool.replaceAll('_', '-')}`
  const call = { connection: 'odd', tool, arguments: { about: '${{ input.account }}' } }
  const steps = [
    { name: 'it', tool_call: call, ...(timeout === undefined ? {} : { timeout }) },
    { name: 'end', return: '${{ steps.it.output }}' },
  ]
  await s.define(name, steps, { allow: true })
  result = answer
  const run = await s.start(name)
  return { run, expect: (expected: object) => s.expectEnding(run, expected) }
}

/** The one request of its session is answered, also without its id. */
function withContent(structured: string): string {
  return `{"jsonrpc": "2.0", "id": null, "result": {"content": [], "structuredContent": ${structured}}}`
}

function inLatin1(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(withContent('{"name": "Größe"}'), 'latin1')
}

function bottomless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(withContent(`${'['.repeat(5_000)}${']'.repeat(5_000)}`))
}

describe('a write that was done stays applied where its answer', () => {
  test.each([
    ['has null for structured content', '{"content": [], "structuredContent": null, "isError": null}'],
    ['is null', 'null'],
    ['is an empty list', '[]'],
  ])('%s', async (_what, answer) => {
    const { expect: ends } = await ending('write', { answer })
    await ends({ state: 'completed', writebacks: ['applied'], result: { text: '', content: [] } })
  })

  test.each<[string, (response: ServerResponse) => void, string]>([
    ['is not in UTF-8', inLatin1, 'the answer is not kept: it is not in UTF-8'],
    ['is nested 5,000 deep', bottomless, 'the answer is not kept: it is nested deeper than 200 levels'],
  ])('%s, without its output, and the receipt says why', async (_what, answer, message) => {
    const { run, expect: ends } = await ending('write', { answer })
    await ends({ state: 'completed', writebacks: ['applied'], result: null })
    const [statement] = await s.statements(run)
    const predicate = { status: 'applied', code: 'RESULT_INVALID', message, answerSha256: null }
    expect(statement?.predicate).toMatchObject(predicate)
  })

  test('does not fit what its server declares, and the receipt says so', async () => {
    const answer = '{"content": [], "structuredContent": {"id": "seven"}}'
    const { run, expect: ends } = await ending('write_declared', { answer })
    await ends({ state: 'completed', writebacks: ['applied'], result: { id: 'seven' } })
    const [statement] = await s.statements(run)
    expect(statement?.predicate).toMatchObject({ status: 'applied', how: 'answered', code: 'RESULT_INVALID' })
    expect(statement?.predicate['message']).toBe('/id must be number')
    expect(statement?.predicate['answerSha256']).toMatch(/^[0-9a-f]{64}$/)
  })
})

test('a reading that does not fit what its server declares fails, with the place', async () => {
  const answer = '{"content": [], "structuredContent": {"id": "seven"}}'
  const { expect: ends } = await ending('read_declared', { answer })
  const { message } = await ends({ state: 'failed', code: 'RESULT_INVALID' })
  expect(message).toContain('/id must be number')
})

test.each<[string, string, JsonValue]>([
  ['an empty list', '{"content": [{"type": "text", "text": "[]"}]}', { text: '[]', content: [] }],
  [
    'that it is pending',
    '{"content": [], "structuredContent": {"status": "pending"}}',
    { status: 'pending' },
  ],
])(
  'a server that says %s of a write is quoted, with a digest, and no more is claimed',
  async (_what, answer, output) => {
    const { run, expect: ends } = await ending('write', { answer })
    await ends({ state: 'completed', writebacks: ['applied'], result: output })
    const [statement] = await s.statements(run)
    expect(statement?.predicate).toMatchObject({
      status: 'applied',
      how: 'answered',
      answerSha256: digestOf(output),
    })
  },
)

test.each<[string, (response: ServerResponse) => void, string]>([
  ['is not in UTF-8', inLatin1, 'it is not in UTF-8'],
  ['is nested 5,000 deep', bottomless, 'it is nested deeper than 200 levels'],
])('a reading whose answer %s fails, and is sent once', async (_what, write, says) => {
  let sent = 0
  const answer = (response: ServerResponse): void => {
    sent += 1
    write(response)
  }
  const { expect: ends } = await ending('read', { answer })
  const { message } = await ends({ state: 'failed', code: 'RESULT_INVALID' })
  expect(message).toContain(says)
  expect(sent).toBe(1)
})

test('an error that is said in structured content alone is told', async () => {
  const answer = '{"content": [], "structuredContent": {"error": "no such row"}, "isError": true}'
  const { message } = await (
    await ending('read', { answer })
  ).expect({ state: 'failed', code: 'TOOL_FAILED' })
  expect(message).toContain('no such row')
})

test('the last words of a server process that died of a write are in the outcome and in its receipt', async () => {
  await s.define(
    'dying',
    [{ name: 'it', tool_call: { connection: 'dying', tool: 'write', arguments: {} } }],
    {
      allow: true,
    },
  )
  const run = await s.start('dying')
  await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'] })
  const words = expect.stringContaining('the server process last wrote: disk full: Größe 0 👍') as string
  const [writeback] = (await s.world.admin.listWritebacks({ run_id: run.runId })).items
  expect(writeback?.outcome).toMatchObject({ status: 'unknown', message: words })
  const statements = await s.statements(run)
  expect(statements.at(-1)?.predicate).toMatchObject({ status: 'unknown', message: words })
})

test('a look reads JSON that its tool gives as text', async () => {
  let sent = 0
  const { expect: ends } = await ending('write', {
    answer: (response, about) => {
      sent += 1
      result = JSON.stringify({ content: [{ type: 'text', text: JSON.stringify({ written: about }) }] })
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('{"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "no answer"}}')
    },
  })
  await ends({ state: 'completed', writebacks: ['applied'] })
  expect(sent).toBe(1)
})

describe('a tool whose schema nobody can check, and whose description nobody can keep', () => {
  test('is called with its arguments as they are, and its connection says so', async () => {
    const spec = { ...SPEC, url: odd.url }
    const call = { connection: 'odd', tool: 'unusable', arguments: { about: 'it' } }
    const steps = [{ name: 'it', tool_call: call }]
    const { warnings } = await s.world.admin.applyManifests({
      manifests: [
        { kind: 'Connection', name: 'odd', spec },
        { kind: 'Automation', name: 'odd-saved', spec: { steps } },
      ],
    })
    const told = [
      expect.stringContaining('tool unusable holds characters that cannot be kept') as string,
      expect.stringContaining('the input schema of tool unusable cannot be used') as string,
    ]
    expect(warnings.map(({ message }) => message.replace('Connection odd: ', ''))).toEqual(told)
    const shown = await s.world.admin.getConnectionState({ name: 'odd' })
    expect(shown.warnings.map(({ message }) => message)).toEqual(told)
    const { run, expect: ends } = await ending('unusable')
    await ends({ state: 'completed', result: { text: run.account, content: [] } })
  })
})

describe('the time of a step', () => {
  test('ends a reading that takes longer', async () => {
    const startedAtMs = Date.now()
    const { expect: ends } = await ending('read', { timeout: '1s', answer: () => undefined })
    await ends({ state: 'failed', code: 'CALL_TIMEOUT' })
    expect(Date.now() - startedAtMs).toBeLessThan(10_000)
  })

  test('is not put off by a server that asks to wait', async () => {
    const answer = (response: ServerResponse): void =>
      void response.writeHead(429, { 'retry-after': '86400' }).end('later')
    const { expect: ends } = await ending('read', { timeout: '12s', answer })
    await ends({ state: 'failed', code: 'CALL_THROTTLED' })
  })
})
