/** A small MCP server over stdio that pays, and says whether it has. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'

const NAMES = ['pay', 'find', 'find_again']

const text = { type: 'string' as const }
const inputSchema = {
  type: 'object' as const,
  properties: { to: text, amount: { type: 'number' as const }, key: text, ref: text },
}

const server = new Server({ name: 'bank', version: '1.0.0' }, { capabilities: { tools: {} } })
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: NAMES.map((name) => ({ name, inputSchema, annotations: { readOnlyHint: name !== 'pay' } })),
}))
server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({
  content: [{ type: 'text', text: params.name }],
}))
await server.connect(new StdioServerTransport())
