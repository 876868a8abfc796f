/** The tools that pay, as a child process: each payment is a line of the file that it is given. */
import { appendFileSync, readFileSync } from 'node:fs'
import { Server } from '@modelcontextprotocol/sdk/server/index.js'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { textResult, type TestTool } from './mcp-server.ts'
import { payingTools } from './paying.ts'

const [file = ''] = process.argv.slice(2)
const pid: TestTool = {
  name: 'pid',
  inputSchema: { type: 'object' },
  run: () => ({ ...textResult('pid'), structuredContent: { pid: process.pid } }),
}
const nap: TestTool = {
  name: 'nap',
  inputSchema: { type: 'object', properties: { forMs: { type: 'number' } } },
  run: async ({ forMs }) => {
    await new Promise((resolve) => setTimeout(resolve, Number(forMs)))
    return { ...textResult('slept'), structuredContent: { slept: Number(forMs) } }
  },
}
const paying = payingTools({
  add: (about) => appendFileSync(file, `${about}\n`),
  count: (about) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line === about).length,
})

const tools = [...paying, pid, nap]

const server = new Server({ name: 'paying', version: '1.0.0' }, { capabilities: { tools: {} } })
server.setRequestHandler(ListToolsRequestSchema, () => ({
  tools: tools.map(({ run: _run, ...tool }) => tool),
}))
server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal }) => {
  const tool = tools.find(({ name }) => name === params.name)
  if (!tool) throw new Error(`no tool ${params.name}`)
  return await tool.run(params.arguments ?? {}, { signal, progress: () => Promise.resolve() })
})
await server.connect(new StdioServerTransport())
