/**
 * A server on an SDK as many have it in use (1.17): it runs the tool, then looks at the result, and answers a result
 * that violates the tool's own schema like a call whose parameters were wrong, with -32602.
 */
import { appendFileSync } from 'node:fs'
import { McpServer } from 'mcp-sdk-1-17/server/mcp.js'
import { StdioServerTransport } from 'mcp-sdk-1-17/server/stdio.js'
import { z } from 'zod/v3'

/** The SDK's own types are written for a zod of their own, and are endless with another one. */
type RegisterTool = (
  name: string,
  config: { inputSchema: object; outputSchema: object },
  run: (args: { about: string }) => object,
) => void

const [file = ''] = process.argv.slice(2)
const server = new McpServer({ name: 'old-sdk', version: '1.0.0' })
const registerTool = server.registerTool.bind(server) as unknown as RegisterTool
const schemas = { inputSchema: { about: z.string() }, outputSchema: { paid: z.boolean() } }
registerTool('pay', schemas, ({ about }) => {
  appendFileSync(file, `${about}\n`)
  return { content: [{ type: 'text', text: 'paid' }], structuredContent: { paid: 'yes' } }
})
await server.connect(new StdioServerTransport())
