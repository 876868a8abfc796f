/**
 * A program that does one thing after the other, as many do: while it works it says so, and reads nothing. Of one file.
 */
import { appendFileSync, readFileSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [, , file] = process.argv
const say = (message) => writeSync(1, `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)

function call({ name, arguments: { about, forMs } }) {
  if (name === 'pay') appendFileSync(file, `${about}\n`)
  for (const endMs = Date.now() + (forMs ?? 0); Date.now() < endMs;) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    say({ method: 'notifications/message', params: { level: 'info', data: 'working' } })
  }
  const paid = readFileSync(file, 'utf8').split('\n').includes(about)
  return { content: [], structuredContent: { paid, pid: process.pid } }
}

const answers = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'one at a time', version: '1' },
  }),
  'tools/call': call,
}
for await (const line of createInterface(process.stdin)) {
  const { id, method, params } = JSON.parse(line)
  if (answers[method]) say({ id, result: answers[method](params) })
}
