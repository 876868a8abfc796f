/** A server whose stream ends before the answer, again and again: how often it is resumed is not for the server to say. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { createMcpClient } from '../../mcp/client.ts'
import { httpTarget, limits, request } from './calls.ts'

const CALL_MS = 2_000

test.each(['0', '99999999999999'])(
  'a stream that asks for a wait of %s ms is resumed a few times a second',
  async (retry) => {
    let resumptions = 0
    const server = await serve(retry, () => resumptions++)
    const { port } = server.address() as AddressInfo
    const client = createMcpClient()
    const call = client.callTool(request(httpTarget(`http://127.0.0.1:${port}/mcp`), 'x', limits(CALL_MS)))
    await expect(call).rejects.toThrow()
    expect(resumptions).toBeGreaterThan(0)
    expect(resumptions).toBeLessThanOrEqual(CALL_MS / 250 + 1)
    await client.close()
    server.closeAllConnections()
    server.close()
  },
)

async function serve(retry: string, onResume: () => void): Promise<Server> {
  const server = createServer((incoming, response) => {
    void answer(incoming, response)
  })
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const stream = (id: string): void => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`id: ${id}\nretry: ${retry}\ndata: \n\n`)
    }
    if (incoming.method === 'GET') {
      onResume()
      return stream('again')
    }
    if (incoming.method !== 'POST') return void response.writeHead(405).end()
    const { method, id } = await messageIn(incoming)
    if (method === 'tools/call') return stream('first')
    if (method !== 'initialize') return void response.writeHead(202).end()
    const serverInfo = { name: 'endless', version: '1' }
    const result = { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

async function messageIn(incoming: IncomingMessage): Promise<{ method: string; id?: number }> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString()) as { method: string; id?: number }
}
