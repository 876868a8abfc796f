/** A program that pays and says its id, of one file: it runs under an account that may read nothing else. */
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'plain', version: '1' },
  }),
  'tools/call': ({ name }) => {
    if (name === 'pay') appendFileSync(process.argv[2], 'paid\n')
    return { content: [], structuredContent: { pid: process.pid } }
  },
}
for await (const line of createInterface(process.stdin)) {
  const { id, method, params } = JSON.parse(line)
  if (answers[method]) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method](params) }))
}
