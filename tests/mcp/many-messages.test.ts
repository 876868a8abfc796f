/** Answers of many small messages: each is below every bound, and all of them together would take the thread for a minute. */
import { afterAll, afterEach, expect, test } from 'vitest'
import { createMcpClient } from '../../mcp/client.ts'
import { startTestMcpServer, type TestMcpServer } from '../support/mcp-server.ts'
import { httpTarget, request } from './calls.ts'

const MB = 1024 * 1024
const LISTS = `[${Array.from({ length: 4_900 }, () => '[]').join()}]`
const NOTICE = `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":${LISTS}}}\n\n`
const client = createMcpClient()
const servers: TestMcpServer[] = []
let replies = 0

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

async function call(before: string): Promise<unknown> {
  replies = 0
  const server = await startTestMcpServer({
    intercept: ({ method, id }, response) => {
      if (method === 'POST') replies += 1
      if (method !== 'tools/call') return false
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`${before}data: {"jsonrpc":"2.0","id":${String(id)},"result":{"content":[]}}\n\n`)
      return true
    },
  })
  servers.push(server)
  return client.callTool(request(httpTarget(server.url), 'look', { maxResultBytes: 10 * MB }))
}

test.each([
  ['events', '\n'.repeat(100_000), '20000 messages'],
  ['lines of one event', 'data:\n'.repeat(500_000), '400000 lines'],
  ['values in many events', NOTICE.repeat(100), '400000 values'],
])('an answer with too many %s is refused', async (_what, before, most) => {
  const end = await call(before).catch((failure: unknown) => failure)
  expect(end).toMatchObject({
    code: 'RESULT_TOO_LARGE',
    sent: 'yes',
    message: expect.stringContaining(`more than ${most}`),
  })
})

test('what is told over a stream that goes on is counted with what came before it was cut off', async () => {
  const events = '\n\n'.repeat(11_000)
  let asked: unknown
  const server = await startTestMcpServer({
    intercept: ({ method, id }, response) => {
      const isCall = method === 'tools/call'
      if (!isCall && method !== 'GET') return false
      if (isCall) asked = id
      const answer = `data: {"jsonrpc":"2.0","id":${String(asked)},"result":{"content":[]}}\n\n`
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`id: 1\nretry: 1\ndata:\n\n${events}${isCall ? '' : answer}`)
      return true
    },
  })
  servers.push(server)
  const ending: unknown = await client
    .callTool(request(httpTarget(server.url), 'look'))
    .catch((error: unknown) => error)
  expect(ending).toMatchObject({
    code: 'RESULT_TOO_LARGE',
    message: expect.stringContaining('more than 20000 messages') as string,
  })
})

test('requests of a server are answered a few times in a call, and the call has its answer', async () => {
  await call('data:{"jsonrpc":"2.0","id":1,"method":"x"}\n\n'.repeat(1_000))
  expect(replies).toBeGreaterThan(0)
  expect(replies).toBeLessThanOrEqual(4)
})
