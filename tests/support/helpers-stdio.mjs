/**
 * A program that starts helpers in sessions of their own, by its tools: `helper` has its output, `quiet` has no input.
 * `crash` ends the program. Of one file.
 */
import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [, , file, helperS = '20'] = process.argv
const start = (script, stdio) => spawn('sh', ['-c', script, helperS], { detached: true, stdio }).unref()
const tools = {
  look: () => {},
  pay: ({ about }) => appendFileSync(file, `${about}\n`),
  helper: () => start('exec sleep "$0"', ['ignore', 'inherit', 'inherit']),
  quiet: () => start('exec sleep "$0" <&-', 'ignore'),
  crash: () => void setTimeout(() => process.exit(1), 50),
}
const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'helpers', version: '1' },
  }),
  'tools/call': ({ name, arguments: given }) => {
    tools[name](given)
    return { content: [], structuredContent: { pid: process.pid } }
  },
}
for await (const line of createInterface(process.stdin)) {
  const { id, method, params } = JSON.parse(line)
  if (answers[method]) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method](params) }))
}
