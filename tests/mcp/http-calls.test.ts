import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { McpCallError } from '../../mcp/errors.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { Progress } from '../../mcp/port.ts'
import { startTestMcpServer } from '../support/mcp-server.ts'
import type { TestMcpServer, TestMcpServerOptions } from '../support/mcp-server.ts'
import { failureOf, httpTarget, request, until } from './calls.ts'

const client = createMcpClient()
const servers: TestMcpServer[] = []

async function start(options: TestMcpServerOptions = {}): Promise<TestMcpServer> {
  const server = await startTestMcpServer(options)
  servers.push(server)
  return server
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

describe('a call over HTTP', () => {
  it('brings the result, and takes _meta and headers along', async () => {
    let authorization: string | undefined
    const server = await start({
      intercept: (_message, _response, { headers }) => {
        authorization = headers.authorization
        return false
      },
    })
    const target = httpTarget(server.url, { Authorization: 'Bearer abc' })
    const result = await client.callTool(
      request(target, 'echo', { arguments: { text: 'hi' }, meta: { 'countersign.test/key': 'k1' } }),
    )
    expect(result).toEqual({
      content: [{ type: 'text', text: 'hi' }],
      structuredContent: { text: 'hi' },
      isError: false,
    })
    expect(server.calls[0]?.meta).toMatchObject({ 'countersign.test/key': 'k1' })
    expect(authorization).toBe('Bearer abc')
  })

  it('ends its session on a server that keeps sessions', async () => {
    const server = await start({ sessions: true })
    await client.callTool(request(httpTarget(server.url), 'echo', { arguments: { text: 'hi' } }))
    expect(server.methods).toEqual(['initialize', 'notifications/initialized', 'tools/call', 'DELETE'])
  })

  it('passes progress on', async () => {
    const server = await start()
    const seen: Progress[] = []
    await client.callTool(
      request(httpTarget(server.url), 'slow', {
        arguments: { durationMs: 60, steps: 3 },
        onProgress: (progress) => seen.push(progress),
      }),
    )
    expect(seen.map(({ progress, total }) => `${progress}/${total}`)).toEqual(['1/3', '2/3', '3/3'])
  })

  it('leaves an error of the tool, or an unknown tool, as a result', async () => {
    const target = httpTarget((await start()).url)
    const failed = await client.callTool(request(target, 'fail', { arguments: { message: 'no' } }))
    expect(failed).toEqual({ content: [{ type: 'text', text: 'no' }], isError: true })
    expect(await client.callTool(request(target, 'nothing'))).toMatchObject({ isError: true })
  })

  it('goes on over a new session, once, when the server lost the first one', async () => {
    let refusals = 1
    const server = await start({
      sessions: true,
      intercept: ({ method }, response) => {
        if (method !== 'tools/call' || refusals-- <= 0) return false
        response.writeHead(404).end()
        return true
      },
    })
    await client.callTool(request(httpTarget(server.url), 'echo', { arguments: { text: 'hi' } }))
    expect(server.calls).toHaveLength(1)
    expect(server.methods.filter((method) => method === 'initialize')).toHaveLength(2)
    refusals = 2
    const failure = await failureOf(client.callTool(request(httpTarget(server.url), 'echo')))
    expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'refused', answer: 404 })
  })
})

describe('the end of a call over HTTP', () => {
  for (const sessions of [false, true]) {
    const kind = sessions ? 'a server with sessions' : 'a stateless server'

    it(`reaches the tool on ${kind} when the caller cancels`, async () => {
      const server = await start({ sessions })
      const stop = new AbortController()
      const call = failureOf(
        client.callTool(
          request(httpTarget(server.url), 'slow', {
            arguments: { durationMs: 10_000 },
            signal: stop.signal,
          }),
        ),
      )
      await until(() => server.calls.length === 1)
      stop.abort()
      expect(await call).toMatchObject({ code: 'CANCELLED', sent: 'unknown', cancelled: true })
      await until(() => server.calls[0]?.aborted === true)
    })

    it(`reaches the tool on ${kind} when the deadline passes, progress or not`, async () => {
      const server = await start({ sessions })
      const startedAtMs = Date.now()
      const failure = await failureOf(
        client.callTool(
          request(httpTarget(server.url), 'slow', {
            arguments: { durationMs: 10_000, steps: 100 },
            deadlineAtMs: startedAtMs + 500,
            onProgress: () => {},
          }),
        ),
      )
      expect(failure).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown', cancelled: false })
      expect(Date.now() - startedAtMs).toBeLessThan(8_000)
      await until(() => server.calls[0]?.aborted === true)
    })
  }
})

type Answer = (response: ServerResponse, id: number) => void
type Failing = { on: 'initialize' | 'tools/call'; answer: Answer; expected: Partial<McpCallError> }

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end('sorry')

const rpcError =
  (code: number): Answer =>
  (response, id) =>
    json(response, { id, error: { code, message: 'no' } })

function json(response: ServerResponse, message: object): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

function cutStream(end: (response: ServerResponse) => void): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(': working\n\n', () => setTimeout(() => end(response), 20))
  }
}

const elsewhere = { location: 'http://127.0.0.1:9/mcp' }
const hugeEvent = `data: ${'x'.repeat(70_000)}`

/** reference: what each situation means for whoever must decide about a second attempt. */
const FAILURES: Record<string, Failing> = {
  'initialize answers 401': {
    on: 'initialize',
    answer: status(401),
    expected: { code: 'CREDENTIALS_REFUSED', sent: 'no' },
  },
  'initialize answers 404': {
    on: 'initialize',
    answer: status(404),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no' },
  },
  'initialize answers 503 with Retry-After': {
    on: 'initialize',
    answer: status(503, { 'retry-after': '7' }),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no', nextRetryDelayMs: 7_000 },
  },
  'initialize answers with a web page': {
    on: 'initialize',
    answer: status(200, { 'content-type': 'text/html' }),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no' },
  },
  'initialize breaks off': {
    on: 'initialize',
    answer: (response) => response.destroy(),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no' },
  },
  'initialize is answered with an error': {
    on: 'initialize',
    answer: rpcError(-32022),
    expected: { code: 'CALL_REFUSED', sent: 'no' },
  },
  'the stream of initialize exceeds the limit': {
    on: 'initialize',
    answer: cutStream((response) => response.write('x'.repeat(1_100_000))),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no' },
  },
  'the stream of initialize has too many messages': {
    on: 'initialize',
    answer: cutStream((response) => response.write('\n'.repeat(60_000))),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no' },
  },
  'initialize gets the answer to something else': {
    on: 'initialize',
    answer: (response) => json(response, { id: 77, result: {} }),
    expected: { code: 'CONNECTION_NOT_READY', sent: 'no' },
  },
  'the call gets the answer to something else': {
    on: 'tools/call',
    answer: (response) => json(response, { id: 77, result: { content: [] } }),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the call answers 401': {
    on: 'tools/call',
    answer: status(401),
    expected: { code: 'CREDENTIALS_REFUSED', sent: 'refused' },
  },
  'the call answers 403': {
    on: 'tools/call',
    answer: status(403),
    expected: { code: 'CREDENTIALS_REFUSED', sent: 'refused' },
  },
  'the call answers 400': {
    on: 'tools/call',
    answer: status(400),
    expected: { code: 'CALL_REFUSED', sent: 'refused' },
  },
  'the call is redirected to another origin': {
    on: 'tools/call',
    answer: status(307, elsewhere),
    expected: { code: 'CALL_REFUSED', sent: 'refused' },
  },
  'the call answers 429 with Retry-After': {
    on: 'tools/call',
    answer: status(429, { 'retry-after': '3' }),
    expected: { code: 'CALL_THROTTLED', sent: 'refused', nextRetryDelayMs: 3_000 },
  },
  'the call answers 500': {
    on: 'tools/call',
    answer: status(500),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the call answers 500 with an error of its own': {
    on: 'tools/call',
    answer: (response, id) => {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32603, message: 'disk full' } }))
    },
    expected: { code: 'TOOL_FAILED', sent: 'unknown', answer: -32603, status: 500 },
  },
  'the call answers 500 with a message that nobody waits for': {
    on: 'tools/call',
    answer: (response) => {
      response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: {} }))
    },
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown', answer: 500 },
  },
  'the call is answered with a page': {
    on: 'tools/call',
    answer: status(502),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown', message: 'HTTP 502: sorry' },
  },
  'the call answers 408': {
    on: 'tools/call',
    answer: status(408),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the call answers with a web page': {
    on: 'tools/call',
    answer: status(200, { 'content-type': 'text/html' }),
    expected: { code: 'RESULT_INVALID', sent: 'unknown' },
  },
  'the socket dies before the answer': {
    on: 'tools/call',
    answer: (response) => response.destroy(),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the stream is cut off': {
    on: 'tools/call',
    answer: cutStream((response) => response.destroy()),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the stream ends without a result': {
    on: 'tools/call',
    answer: cutStream((response) => response.end()),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the call is accepted, but never answered': {
    on: 'tools/call',
    answer: status(202),
    expected: { code: 'CALL_INTERRUPTED', sent: 'unknown' },
  },
  'the stream exceeds the limit': {
    on: 'tools/call',
    answer: cutStream((response) => response.write(hugeEvent)),
    expected: { code: 'RESULT_TOO_LARGE', sent: 'yes' },
  },
  'the JSON answer exceeds the limit': {
    on: 'tools/call',
    answer: (response, id) =>
      json(response, { id, result: { content: [{ type: 'text', text: hugeEvent }] } }),
    expected: { code: 'RESULT_TOO_LARGE', sent: 'yes' },
  },
  'the result has no form of a result': {
    on: 'tools/call',
    answer: (response, id) => json(response, { id, result: { content: 'text' } }),
    expected: { code: 'RESULT_INVALID', sent: 'yes' },
  },
  'the result is that of a newer protocol': {
    on: 'tools/call',
    answer: (response, id) => json(response, { id, result: { resultType: 'task', taskId: 't1' } }),
    expected: { code: 'RESULT_INVALID', sent: 'yes' },
  },
  'the answer is no JSON': {
    on: 'tools/call',
    answer: status(200, { 'content-type': 'application/json' }),
    expected: { code: 'RESULT_INVALID', sent: 'yes' },
  },
  'the server does not know the method': {
    on: 'tools/call',
    answer: rpcError(-32601),
    expected: { code: 'CALL_REFUSED', sent: 'refused' },
  },
  'the server wants a person to open an address': {
    on: 'tools/call',
    answer: (response, id) =>
      json(response, { id, error: { code: -32042, message: 'open it', data: { elicitations: [] } } }),
    expected: { code: 'CALL_REFUSED', sent: 'refused' },
  },
  'the server has an internal error': {
    on: 'tools/call',
    answer: rpcError(-32603),
    expected: { code: 'TOOL_FAILED', sent: 'unknown' },
  },
  'the server uses the number of a local timeout': {
    on: 'tools/call',
    answer: rpcError(-32001),
    expected: { code: 'TOOL_FAILED', sent: 'unknown' },
  },
}

describe('a failure over HTTP', () => {
  for (const [situation, { on, answer, expected }] of Object.entries(FAILURES)) {
    it(`is ${expected.code}, sent: ${expected.sent}, when ${situation}`, async () => {
      const server = await start({
        intercept: ({ method, id }, response) => {
          if (method === on) answer(response, id ?? 0)
          return method === on
        },
      })
      const startedAtMs = Date.now()
      const call = request(httpTarget(server.url), 'echo', {
        arguments: { text: 'hi' },
        maxResultBytes: 65_536,
      })
      expect(await failureOf(client.callTool(call))).toMatchObject(expected)
      // None of them is left to the deadline of 20 s.
      expect(Date.now() - startedAtMs).toBeLessThan(10_000)
    })
  }

  it('is CONNECTION_NOT_READY when nothing listens or the name does not exist', async () => {
    const server = await start()
    await server.close()
    for (const url of [server.url, 'http://no-such-host.invalid/mcp']) {
      const failure = await failureOf(client.callTool(request(httpTarget(url), 'echo')))
      expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'no' })
    }
  })

  it('is CALL_TIMEOUT, not sent, when the server takes the connection and says nothing', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await until(() => silent.listening)
    const { port } = silent.address() as AddressInfo
    const target = httpTarget(`http://127.0.0.1:${port}/mcp`)
    const failure = await failureOf(
      client.callTool(request(target, 'echo', { deadlineAtMs: Date.now() + 300 })),
    )
    silent.closeAllConnections()
    silent.close()
    expect(failure).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'no' })
  })

  it('names a private address when the connection does not allow it, and sends nothing', async () => {
    const server = await start()
    const target = { ...httpTarget(server.url), allowedHosts: [] }
    const failure = await failureOf(client.callTool(request(target, 'echo')))
    expect(failure).toMatchObject({ code: 'ADDRESS_NOT_ALLOWED', sent: 'no' })
    expect(failure.message).toContain('private address')
    expect(server.methods).toEqual([])
  })

  it('quotes at most 500 characters of the server, on one line, without our token', async () => {
    const page = `Bearer s3cret-token is wrong\u001b[31m\n${'y'.repeat(5_000)}`
    const server = await start({
      intercept: (_message, response) => {
        response.writeHead(401).end(page)
        return true
      },
    })
    const target = httpTarget(server.url, { authorization: 'Bearer s3cret-token' })
    const { message } = await failureOf(client.callTool(request(target, 'echo')))
    expect(message.length).toBeLessThan(520)
    expect(message).toContain('is wrong')
    expect(message).not.toMatch(/s3cret-token|\p{Cc}/u)
  })

  it('does not cancel an introduction, which MCP forbids', async () => {
    const server = await start({ intercept: ({ method }) => method === 'initialize' })
    const call = request(httpTarget(server.url), 'echo', { deadlineAtMs: Date.now() + 300 })
    expect(await failureOf(client.callTool(call))).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'no' })
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(server.methods).toEqual(['initialize'])
  })

  const done = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"done"}]}}'

  it.each([
    ['has the content type of a text', { 'content-type': 'text/plain; charset=utf-8' }, done],
    ['has no content type', {}, done],
    ['is an event whose end is missing', { 'content-type': 'text/event-stream' }, `data: ${done}`],
    [
      'is an event of another name',
      { 'content-type': 'text/event-stream' },
      `event: result\ndata: ${done}\n\n`,
    ],
    ['is a list of one', { 'content-type': 'application/json' }, `[${done}]`],
  ])('is none where the answer is whole, and %s', async (_what, headers, text) => {
    const server = await start({
      intercept: ({ method }, response) => {
        if (method !== 'tools/call') return false
        response.writeHead(200, headers).end(text)
        return true
      },
    })
    const { content } = await client.callTool(request(httpTarget(server.url), 'echo'))
    expect(content).toEqual([{ type: 'text', text: 'done' }])
  })

  it('survives the resumption of a stream that carries event ids', async () => {
    const server = await start({
      intercept: ({ method }, response) => {
        if (method === 'GET') {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          const result = { content: [{ type: 'text', text: 'resumed' }] }
          response.end(`id: 2\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result })}\n\n`)
        } else if (method === 'tools/call') {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.end('id: 1\nretry: 300\ndata:\n\n')
        } else return false
        return true
      },
    })
    const result = await client.callTool(request(httpTarget(server.url), 'echo'))
    expect(result.content).toEqual([{ type: 'text', text: 'resumed' }])
  })
})
