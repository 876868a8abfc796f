/**
 * `connect systems` followed by somebody who has servers of their own, one over HTTP and one over stdio, written after
 * the MCP specification with nothing of ours: the connections are those of the page, the address excepted.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { JsonObject } from '../../lib/json.ts'
import { createTriggerSender } from '../../sdk/triggers/index.ts'
import { runCli, type CliResult } from '../support/cli.ts'
import { eventually, startWorld, type World } from '../support/world.ts'
import { blocksOf, readPage } from './markdown.ts'

const PAGE = 'docs/how-to/connect-systems.md'
const TOKEN = 'made-by-a-machine-5f1c'

/** In plain JavaScript, as a program of its own: it keeps files in the folder that it is given. */
const NOTES_SERVER = `
import { createInterface } from 'node:readline'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
const folder = process.argv[2]
const tools = {
  read_text_file: ({ path }) => readFileSync(join(folder, path), 'utf8'),
  write_file: ({ path, content }) => (writeFileSync(join(folder, path), content), 'written'),
}
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'notes', version: '1' } }),
  ping: () => ({}),
  'tools/list': () => ({ tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })) }),
  'tools/call': ({ name, arguments: given }) => ({ content: [{ type: 'text', text: tools[name](given) }] }),
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method](params) }))
})
`

interface Tickets {
  server: Server
  url: string
  comments: { ticket_id: string; text: string }[]
}

async function startTickets(): Promise<Tickets> {
  const comments: Tickets['comments'] = []
  const tools: Record<string, (given: Record<string, string>) => JsonObject> = {
    get_ticket: ({ ticket_id: id = '' }) => ({ id, subject: `Broken lamp, ${id}` }),
    close_ticket: () => ({ closed: true }),
    add_comment: ({ ticket_id = '', text = '' }) => ({ number: comments.push({ ticket_id, text }) }),
    list_comments: ({ ticket_id }) => ({ comments: comments.filter((one) => one.ticket_id === ticket_id) }),
  }
  const answers: Record<string, (params: { name: string; arguments: Record<string, string> }) => JsonObject> =
    {
      initialize: () => ({
        protocolVersion: '2025-03-26',
        capabilities: { tools: {} },
        serverInfo: { name: 'tickets', version: '1' },
      }),
      'tools/list': () => ({
        tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: 'object' } })),
      }),
      'tools/call': ({ name, arguments: given }) => ({
        content: [],
        structuredContent: tools[name]?.(given) ?? {},
      }),
    }
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      if (request.headers.authorization !== `Bearer ${TOKEN}`) return response.writeHead(401).end()
      if (request.method !== 'POST') return response.writeHead(405).end()
      const { id, method, params } = JSON.parse(body) as { id?: number; method: string; params: never }
      const result = answers[method]?.(params)
      if (id === undefined || result === undefined) return response.writeHead(202).end()
      response.writeHead(200, { 'content-type': 'application/json' })
      return response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { server, url: `http://127.0.0.1:${port}/mcp`, comments }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const AUTOMATION = `
kind: Automation
name: keep-closed-tickets
spec:
  triggers:
    - type: event
      connection: tickets
      event: ticket.closed
      dedupe: event.data.ticket_id
      input: { ticket_id: '\${{ event.data.ticket_id }}' }
  input: { type: object, required: [ticket_id], properties: { ticket_id: { type: string } } }
  steps:
    - name: ticket
      tool_call: { connection: tickets, tool: get_ticket, arguments: { ticket_id: '\${{ input.ticket_id }}' } }
    - name: comment
      tool_call:
        connection: tickets
        tool: add_comment
        arguments: { ticket_id: '\${{ input.ticket_id }}', text: 'kept: \${{ steps.ticket.output.subject }}' }
    - name: note
      tool_call:
        connection: files
        tool: write_file
        arguments: { path: '\${{ input.ticket_id }}.md', content: '\${{ steps.ticket.output.subject }}' }
---
kind: Policy
name: support
spec:
  rules:
    - name: comments-need-a-lead
      match: { connection: tickets, operation: add_comment }
      require: { stages: [{ roles: [support-lead] }] }
    - name: notes-are-free
      match: { connection: files }
      allow: true
`

/** The manifest under a heading of the page. */
function onPage(heading: string): JsonObject {
  const [, section = ''] = readPage(PAGE).split(`## ${heading}\n`)
  const block = blocksOf(PAGE, section.split('\n## ')[0]).find(({ language }) => language === 'yaml')
  return parse(block?.text ?? '') as JsonObject
}

let folder: string
let tickets: Tickets
let world: World
let cli: (args: readonly string[], key?: string) => Promise<CliResult>

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-stranger-'))
  writeFileSync(join(folder, 'notes.mjs'), NOTES_SERVER)
  tickets = await startTickets()
  world = await startWorld({
    secrets: { TICKETS_TOKEN: TOKEN },
    commands: { notes: { command: process.execPath, args: [join(folder, 'notes.mjs'), folder] } },
  })
  cli = (args, key = world.adminKey) =>
    runCli([...args, '--url', world.apiUrl, '--key', key], { cwd: folder })
})

afterAll(async () => {
  await world?.close()
  tickets?.server.close()
  rmSync(folder, { recursive: true, force: true })
})

it('reads, asks a person, and writes to both servers, once for an event that is sent twice', async () => {
  const http = onPage('An MCP server over HTTP')
  Object.assign(http['spec'] as JsonObject, { url: tickets.url, allow_private_addresses: true })
  writeFileSync(join(folder, '1-tickets.json'), JSON.stringify(http))
  writeFileSync(join(folder, '2-files.json'), JSON.stringify(onPage('An MCP server over stdio')))
  writeFileSync(join(folder, '3-support.yaml'), AUTOMATION)
  const applied = await cli(['apply', '-f', folder])
  expect(applied).toMatchObject({ code: 0 })
  expect(applied.stderr).toContain(
    '3-support.yaml:32:36 spec.rules[0].require.stages[0].roles: nobody has the role',
  )

  const { key: callbackToken } = await world.admin.createKey({
    principal: { id: 'connection/tickets', kind: 'service', roles: [] },
    scopes: ['trigger'],
  })
  const sender = createTriggerSender({ callbackUrl: `${world.apiUrl}/api/trigger-callback`, callbackToken })
  const event = { type: 'ticket.closed', data: { ticket_id: 'TIC-1' }, idempotencyKey: 'TIC-1 closed' }
  for (const again of [event, event]) await sender.send(again)

  const lead = await world.as('sue@acme.example', ['support-lead'])
  const approval = await eventually(async () => (await lead.listApprovals({})).items[0])
  const approved = await cli(['approve', approval.approval_id, '--yes'], lead.apiKey)
  expect(approved.stderr).toMatch(/text +null +kept: Broken lamp, TIC-1|text +kept: Broken lamp, TIC-1/)
  const run = await eventually(async () => {
    const shown = await world.admin.getRun({ run_id: approval.run_id })
    return shown.state === 'completed' && shown
  })
  expect(run.receipts).toHaveLength(3)
  expect((await world.admin.listRuns()).items).toHaveLength(1)
  expect(tickets.comments).toEqual([{ ticket_id: 'TIC-1', text: 'kept: Broken lamp, TIC-1' }])
  expect(readFileSync(join(folder, 'TIC-1.md'), 'utf8')).toBe('Broken lamp, TIC-1')
})
