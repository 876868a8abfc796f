/** Numbers and fields in the answers of servers: they come as they are, or the result says that they do not. */
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createMcpClient } from '../../mcp/client.ts'
import type { ToolResult } from '../../mcp/port.ts'
import { chanceOf } from '../chaos/random.ts'
import { decimalOf, exactDecimal } from '../support/decimals.ts'
import { startTestMcpServer, type TestMcpServer } from '../support/mcp-server.ts'
import { httpTarget, request, stdioTarget } from './calls.ts'

const client = createMcpClient()
const servers: TestMcpServer[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

type Write = (response: ServerResponse, message: string) => void

const asJson: Write = (response, message) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(message)

/** In events, cut into pieces of three bytes. */
const asEvents =
  (newline: string): Write =>
  (response, message) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const progress = `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1e400}}`
    const lines = message.split('\n').map((line) => `data: ${line}`)
    const text = [progress, '', ': note', 'event: message', ...lines, '', ''].join(newline)
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += 3) response.write(bytes.subarray(at, at + 3))
    response.end()
  }

async function answered(result: string, write: Write): Promise<ToolResult> {
  const server = await startTestMcpServer({
    intercept: ({ method, id }, response) => {
      if (method !== 'tools/call') return false
      write(response, `{"jsonrpc": "2.0",\n "id": ${id}, "result": ${result}}`)
      return true
    },
  })
  servers.push(server)
  return client.callTool(request(httpTarget(server.url), 'echo', { arguments: { text: 'x' } }))
}

async function overStdio(result: string): Promise<ToolResult> {
  // The first request after `initialize`, which is 0, unless an earlier call has taken the child.
  const fresh = createMcpClient()
  try {
    const text = `{"jsonrpc": "2.0", "id": 1, "result": ${result}}`
    return await fresh.callTool(request(stdioTarget(), 'exact', { arguments: { text } }))
  } finally {
    await fresh.close()
  }
}

const ways: [string, (result: string) => Promise<ToolResult>][] = [
  ['as JSON', (result) => answered(result, asJson)],
  ['as events', (result) => answered(result, asEvents('\n'))],
  ['as events with carriage returns', (result) => answered(result, asEvents('\r\n'))],
  ['from a child process', overStdio],
]

const NOT_EXACT = 'is a number that cannot be kept exactly'

describe.each(ways)('an answer %s', (_way, answer) => {
  it('that is exact is the result, and nothing else', async () => {
    const result =
      '{"content": [], "structuredContent": {"row": 9007199254740991, "rate": 1.10, "é": "9007199254740993"}}'
    expect(await answer(result)).toEqual({
      content: [],
      structuredContent: { row: 9007199254740991, rate: 1.1, é: '9007199254740993' },
      isError: false,
    })
  })

  it.each([
    [
      '{"content": [], "structuredContent": {"row": 9007199254740993}}',
      `result.structuredContent.row ${NOT_EXACT}`,
    ],
    [
      '{"content": [], "structuredContent": {"a": 1e400, "b": [0.1000000000000000055]}}',
      `result.structuredContent.a ${NOT_EXACT}; result.structuredContent.b[0] ${NOT_EXACT}`,
    ],
    [
      '{"content": [], "structuredContent": {"to": "alice", "to": "bob"}}',
      'result.structuredContent.to stands here twice',
    ],
    [
      '{"content": [{"type": "resource", "size": 12345678901234567890}]}',
      `result.content[0].size ${NOT_EXACT}`,
    ],
    ['{"isError": true, "isError": false, "content": []}', 'result.isError stands here twice'],
  ])('says of %s what of it is not exact', async (result, inexact) => {
    expect((await answer(result)).inexact).toBe(inexact)
  })

  it('may have any number where nothing is kept', async () => {
    const result = '{"content": [], "_meta": {"trace": 12345678901234567890}, "other": 1e400}'
    expect((await answer(result)).inexact).toBeUndefined()
  })
})

describe('an answer with letters in Latin-1', () => {
  const inLatin1 =
    (type: string): Write =>
    (response, message) => {
      const line = message.replace('\n', '')
      const text = type.startsWith('text/event-stream') ? `data: ${line}\n\n` : line
      response.writeHead(200, { 'content-type': type }).end(text, 'latin1')
    }
  const result = '{"content": [], "structuredContent": {"name": "Größe", "row": 9007199254740991}}'

  it.each(['application/json', 'application/json; charset=klingon', 'text/event-stream'])(
    'says of itself that it is not in UTF-8: %s',
    async (type) => {
      expect((await answered(result, inLatin1(type))).inexact).toBe('it is not in UTF-8')
    },
  )

  it('is read as such if it says so', async () => {
    const { structuredContent, inexact } = await answered(
      result,
      inLatin1('application/json; charset=ISO-8859-1'),
    )
    expect([structuredContent, inexact]).toEqual([{ name: 'Größe', row: 9007199254740991 }, undefined])
  })
})

it('any number in an answer comes as it was written, or is said to', async () => {
  const chance = chanceOf('answers')
  const texts = Array.from({ length: 40 }, () => decimalOf(chance))
  const { structuredContent } = await answered(`{"structuredContent": {"all": [${texts.join(',')}]}}`, asJson)
  const { all } = structuredContent as { all: number[] }
  for (const [index, text] of texts.entries()) {
    const isExact = exactDecimal(text) === exactDecimal(String(all[index]))
    const { inexact } = await answered(`{"structuredContent": {"v": ${text}}}`, asEvents('\n'))
    expect([text, inexact === undefined]).toEqual([text, isExact])
  }
})

it('a listing may have bounds of 64 bits', async () => {
  const schema =
    '{"type": "object", "properties": {"id": {"type": "integer", "maximum": 9223372036854775807}}}'
  const server = await startTestMcpServer({
    intercept: ({ method, id }, response) => {
      if (method !== 'tools/list') return false
      asJson(
        response,
        `{"jsonrpc": "2.0", "id": ${id}, "result": {"tools": [{"name": "t", "inputSchema": ${schema}}]}}`,
      )
      return true
    },
  })
  servers.push(server)
  const signal = new AbortController().signal
  const { tools } = await client.listTools(httpTarget(server.url), {
    deadlineAtMs: Date.now() + 5_000,
    signal,
  })
  expect(tools.map(({ name }) => name)).toEqual(['t'])
})
