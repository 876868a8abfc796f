/** Answers with more in them than is taken are refused unread: here none of them is JSON to its end, and no parser says so. */
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { MAX_ANSWER_PARTS } from '../../lib/limits.ts'
import { createMcpClient } from '../../mcp/client.ts'
import { startTestMcpServer, type TestMcpServer } from '../support/mcp-server.ts'
import { failureOf, httpTarget, limits, request, stdioTarget } from './calls.ts'

const MB = 1024 * 1024
/** Of the message, beside what stands in its list. */
const FRAME_PARTS = 11
const PLACES = MAX_ANSWER_PARTS - FRAME_PARTS
const client = createMcpClient()
const servers: TestMcpServer[] = []

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

type Write = (response: ServerResponse, message: string) => void

const asJson: Write = (response, message) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(message)
const asEvent: Write = (response, message) =>
  void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${message}\n\n`)

function answer(id: unknown, count: number, end = '}}'): string {
  const list = Array.from({ length: count }, () => 0).join()
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[],"structuredContent":[${list}]${end}`
}

async function serve(method: string, write: Write, count: number, end?: string): Promise<string> {
  const server = await startTestMcpServer({
    intercept: (message, response) => {
      if (message.method !== method) return false
      write(response, answer(message.id, count, end))
      return true
    },
  })
  servers.push(server)
  return server.url
}

const LARGE = { maxResultBytes: 2 * MB }

describe.each<[string, Write]>([
  ['JSON', asJson],
  ['an event', asEvent],
])('an answer over HTTP as %s', (_what, write) => {
  it('may have as many values and names as are taken', async () => {
    const target = httpTarget(await serve('tools/call', write, PLACES))
    const { structuredContent } = await client.callTool(request(target, 'echo', LARGE))
    expect(structuredContent).toHaveLength(PLACES)
  })

  it('that has more is refused unread', async () => {
    const target = httpTarget(await serve('tools/call', write, PLACES + 1, ''))
    const failure = await failureOf(client.callTool(request(target, 'echo', LARGE)))
    expect(failure).toMatchObject({ code: 'RESULT_TOO_LARGE', sent: 'yes' })
    expect(failure.message).toContain(`more than ${MAX_ANSWER_PARTS} values and names`)
  })

  it('that has more, to a listing, is refused unread', async () => {
    const target = httpTarget(await serve('tools/list', write, PLACES + 1, ''))
    expect(await failureOf(client.listTools(target, limits()))).toMatchObject({ code: 'LISTING_TOO_LARGE' })
  })

  it('that has more, to the first message, is refused unread', async () => {
    const target = httpTarget(await serve('initialize', write, PLACES + 1, ''))
    const failure = await failureOf(client.callTool(request(target, 'echo', LARGE)))
    expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'no' })
  })
})

describe('an answer over stdio', () => {
  /** A child of its own counts its messages from 0: initialize, the call. */
  const said = (count: number, end?: string) => {
    const target = stdioTarget({ poolKey: `of ${count}` })
    return client.callTool(request(target, 'exact', { ...LARGE, arguments: { text: answer(1, count, end) } }))
  }

  it('may have as many values and names as are taken', async () => {
    expect((await said(PLACES)).structuredContent).toHaveLength(PLACES)
  })

  it('that has more is refused unread, and ends the child', async () => {
    const failure = await failureOf(said(PLACES + 1, ''))
    expect(failure).toMatchObject({ code: 'RESULT_TOO_LARGE', sent: 'yes' })
    expect(failure.message).toContain(`more than ${MAX_ANSWER_PARTS} values and names`)
    const { content } = await client.callTool(request(stdioTarget({ poolKey: `of ${PLACES + 1}` }), 'pid'))
    expect(content).toHaveLength(1)
  })
})
