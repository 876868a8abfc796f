/** A small MCP server over stdio for the tests of the pool: it says its pid, dies, hangs, and answers at length. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'

const inputSchema = { type: 'object' as const }

const TOOLS: Record<string, (args: Record<string, unknown>) => CallToolResult | Promise<CallToolResult>> = {
  pid: () => text(String(process.pid)),
  big: ({ bytes }) => text('x'.repeat(Number(bytes))),
  hang: () => new Promise(() => {}),
  /** Answers by itself: the SDK cannot write such a number. */
  exact: ({ text }) => {
    process.stdout.write(`${String(text)}\n`)
    return new Promise(() => {})
  },
  /** The same, and it is the last that this child says. */
  last: ({ text }) => {
    process.stdout.write(`${String(text)}\n`, () => process.exit(0))
    return new Promise(() => {})
  },
  die: () => {
    process.stderr.write(`giving up, token ${process.env['TEST_TOKEN'] ?? 'none'}\n`, () => process.exit(7))
    return new Promise(() => {})
  },
}

const server = new Server({ name: 'test-stdio', version: '1.0.0' }, { capabilities: { tools: {} } })
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: Object.keys(TOOLS).map((name) => ({ name, inputSchema })),
}))
server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
  const run = TOOLS[params.name]
  if (!run) throw new Error(`no tool ${params.name}`)
  return await run(params.arguments ?? {})
})
await server.connect(new StdioServerTransport())

function text(content: string): CallToolResult {
  return { content: [{ type: 'text', text: content }] }
}
