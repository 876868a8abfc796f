/** What a server sends around the content of its answer: nobody behind the parser sees it, and it costs as much as content. */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { createGuardedFetch } from '../../lib/guarded-fetch.ts'
import { createMcpClient } from '../../mcp/client.ts'
import { makeCertificate } from '../support/certificates.ts'
import { startTestMcpServer, textResult, type TestMcpServer } from '../support/mcp-server.ts'
import { httpTarget, limits, LOOPBACK, request } from './calls.ts'

const STREAM = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const CHUNK = '1\r\n \r\n'
const INTERIM = 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n'
const client = createMcpClient()
const servers: TestMcpServer[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

/** As fast as the other side reads, and as long as it does. */
function pump(socket: Socket, bytes: Buffer): void {
  if (socket.writable && socket.write(bytes)) setImmediate(pump, socket, bytes)
  else socket.once('drain', () => pump(socket, bytes))
}

/** Whose answer to each call is written by `answer` on the socket itself. */
async function serve(answer: (socket: Socket, id: unknown) => void): Promise<string> {
  const server = await startTestMcpServer({
    intercept: ({ method, id }, response) => {
      if (method !== 'tools/call' || !response.socket) return false
      response.socket.on('error', () => undefined)
      answer(response.socket, id)
      return true
    },
  })
  servers.push(server)
  return server.url
}

const flood = (head: string, piece: string): Promise<string> => {
  const bytes = Buffer.from(piece.repeat(Math.ceil(200_000 / piece.length)))
  return serve((socket) => {
    socket.write(head)
    pump(socket, bytes)
  })
}

const endOf = (url: string, timeoutMs = 20_000): Promise<unknown> =>
  client
    .callTool(request(httpTarget(url), 'look', { ...limits(timeoutMs), maxResultBytes: 10 * 1024 * 1024 }))
    .catch((error: unknown) => error)

const AROUND = '524288 bytes around its content'

test.each([
  ['interim responses', '', INTERIM, '20 interim responses'],
  ['chunks of one byte', STREAM, CHUNK, AROUND],
  ['extensions of chunks', STREAM, `1;${'x'.repeat(1_000)}\r\n \r\n`, AROUND],
  ['empty lines before it', '', '\r\n', AROUND],
])('an answer with %s without end is refused', async (_what, head, piece, most) => {
  expect(await endOf(await flood(head, piece))).toMatchObject({
    code: 'RESULT_TOO_LARGE',
    sent: 'yes',
    message: expect.stringContaining(`more than ${most}`) as string,
  })
})

test('an answer in chunks of one byte, after a few interim responses, is taken', async () => {
  const url = await serve((socket, id) => {
    const event = `data: {"jsonrpc":"2.0","id":${String(id)},"result":{"content":[]}}\n\n`
    const remark = `:${' '.repeat(50_000)}\n\n`
    const chunks = [...remark, ...event].map((letter) => `1\r\n${letter}\r\n`)
    socket.write([INTERIM.repeat(20), STREAM, ...chunks, '0\r\n\r\n'].join(''))
  })
  expect(await endOf(url)).toMatchObject({ content: [], isError: false })
})

test('records of TLS with one byte each are counted, too', async () => {
  // The certificate is nobody's.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  const server = createTlsServer(makeCertificate('localhost'), (socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n')
      const next = (): unknown => socket.writable && socket.write('x', next)
      next()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const excess: string[] = []
  const guarded = createGuardedFetch({ allowedHosts: LOOPBACK, onExcess: (most) => excess.push(most) })
  const answer = await guarded(`https://localhost:${(server.address() as AddressInfo).port}/`)
  await expect(answer.text()).rejects.toThrow()
  expect(excess).toEqual([AROUND])
  vi.unstubAllEnvs()
  server.close()
})

describe('beside eight answers in chunks of one byte', () => {
  test('the calls of others go on', async () => {
    const good = await startTestMcpServer({
      tools: [{ name: 'look', inputSchema: { type: 'object' }, run: () => textResult('seen') }],
    })
    servers.push(good)
    const others = { ...httpTarget(good.url), poolKey: 'others' }
    const url = await flood(STREAM, CHUNK)
    let isOver = false
    const hostile = Promise.all(Array.from({ length: 8 }, () => endOf(url, 60_000))).then((ends) => {
      isOver = true
      return ends
    })
    let calls = 0
    for (; !isOver; calls++) await client.callTool(request(others, 'look'))
    for (const end of await hostile) expect(end).toMatchObject({ code: 'RESULT_TOO_LARGE' })
    expect(calls).toBeGreaterThan(10)
  })
})
