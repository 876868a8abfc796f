/** A small MCP server over stdio, plain JavaScript so that it starts at once: it says on standard error why it dies of a call. */
import { createInterface } from 'node:readline'

const RESULTS = {
  initialize: {
    protocolVersion: '2025-06-18',
    capabilities: { tools: {} },
    serverInfo: { name: 'dying', version: '1' },
  },
  'tools/list': { tools: [{ name: 'write', inputSchema: { type: 'object' } }] },
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line)
  if (method === 'tools/call') process.stderr.write('disk full: Größe 0 👍\n', () => process.exit(3))
  else if (RESULTS[method])
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result: RESULTS[method] })}\n`)
})
