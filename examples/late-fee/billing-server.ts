/**
 * A billing system as its owner would put it on MCP: Streamable HTTP without sessions, one bearer token.
 * As a process: `node --import tsx examples/late-fee/billing-server.ts FILE`, where FILE (or `-` for stdin) is JSON
 * `{"databaseUrl", "token", "port", "host"}`, so that no secret shows in the list of processes. It prints one line
 * `{"url": …}` when it is ready, on a free port where the wished one is taken, and ends on SIGINT and SIGTERM.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import pg from 'pg'
import { z } from 'zod'
import { createTriggerSender } from '../../sdk/triggers/index.ts'
import { createBillingTools } from './billing-tools.ts'

const OptionsSchema = z.strictObject({
  databaseUrl: z.string().min(1),
  token: z.string().min(16),
  /** 0 takes a free one. */
  port: z.int().min(0).max(65_535).default(0),
  host: z.string().default('127.0.0.1'),
})

export type BillingServerOptions = z.input<typeof OptionsSchema>

export interface BillingServer {
  url: string
  close(): Promise<void>
}

export interface DisputeEvent {
  /** Of Countersign, without a path. */
  apiUrl: string
  callbackToken: string
  disputeId: string
  invoiceId: string
  ticketId: string
}

export async function startBillingServer(options: BillingServerOptions): Promise<BillingServer> {
  const { databaseUrl, token, port, host } = OptionsSchema.parse(options)
  const database = new pg.Pool({ connectionString: databaseUrl, max: 5, connectionTimeoutMillis: 5_000 })
  // An idle connection that breaks is replaced on next use; without a listener it would end the process.
  database.on('error', () => undefined)
  const server = createServer((request, response) => {
    handle(request, response, { database, token }).catch(() => {
      if (!response.headersSent) refuse(response, 500, 'Something went wrong.')
      else response.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const { port: actualPort } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}/mcp`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      await database.end()
    },
  }
}

/** Tells Countersign that a customer disputes an invoice. Resolves when the event is stored there, else throws. */
export async function fireEvent(event: DisputeEvent): Promise<void> {
  const { apiUrl, callbackToken, disputeId, invoiceId, ticketId } = event
  const callbackUrl = new URL('/api/trigger-callback', apiUrl).href
  await createTriggerSender({ callbackUrl, callbackToken }).send({
    type: 'invoice.disputed',
    data: { dispute_id: disputeId, invoice_id: invoiceId, ticket_id: ticketId },
    idempotencyKey: disputeId,
  })
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  context: { database: pg.Pool; token: string },
): Promise<void> {
  if (new URL(request.url ?? '/', 'http://unused').pathname !== '/mcp')
    return refuse(response, 404, 'Not found.')
  if (!carriesToken(request, context.token)) {
    response.setHeader('www-authenticate', 'Bearer')
    return refuse(response, 401, 'A valid bearer token is needed.')
  }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'POST')
    return refuse(response, 405, 'This server keeps no sessions; use POST.')
  }
  // A transport without sessions serves one request; closing both also ends a tool whose caller has gone.
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  const tools = createBillingTools(context.database)
  response.once('close', () => void Promise.allSettled([transport.close(), tools.close()]))
  await tools.connect(transport)
  await transport.handleRequest(request, response)
}

/** Compares digests, which have one length: neither the time nor the length says anything about the token. */
function carriesToken(request: IncomingMessage, token: string): boolean {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const [left, right] = [given, token].map((text) => createHash('sha256').update(text).digest())
  return left !== undefined && right !== undefined && timingSafeEqual(left, right)
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32_000, message }, id: null }))
}

async function main(file: string | undefined): Promise<void> {
  if (file === undefined) throw new Error('name a JSON file with the options, or - for stdin')
  const options = OptionsSchema.parse(JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8')))
  const server = await startBillingServer(options).catch((error: unknown) => {
    if (!isTaken(error)) throw error
    return startBillingServer({ ...options, port: 0 })
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close())
  process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
}

function isTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2])
