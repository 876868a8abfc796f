/** A server answers with a number that JavaScript cannot hold: nobody gets another one, and a write that was done is done. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'

let s: Scenario
let calls = 0

beforeAll(async () => {
  s = await startScenario({
    intercept: ({ method, id, params }, response) => {
      if (method !== 'tools/call' || params?.arguments?.['about'] === undefined) return false
      calls += 1
      const result = '{"content": [], "structuredContent": {"row": 9007199254740993}}'
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(`{"jsonrpc": "2.0", "id": ${id}, "result": ${result}}`)
      return true
    },
  })
  const inputSchema = { type: 'object' as const, properties: { about: { type: 'string' } } }
  const run = (): never => {
    throw new Error('it is answered before')
  }
  s.server.tools.push(
    { name: 'read_row', inputSchema, annotations: { readOnlyHint: true }, run },
    { name: 'write_row', inputSchema, annotations: { readOnlyHint: false }, run },
  )
  await s.apply({
    kind: 'Connection',
    name: 'rows',
    spec: { type: 'mcp', transport: 'http', url: s.server.url, allow_private_addresses: true, trusted: true },
  })
})

afterAll(() => s.close())

const ask = (tool: string): JsonObject => ({
  name: 'row',
  tool_call: { connection: 'rows', tool, arguments: { about: 'it' } },
})
const end = { name: 'end', return: '${{ steps.row.output }}' }

test('a reading fails, with the place', async () => {
  await s.define('read-row', [ask('read_row'), end], { allow: true })
  const ending = await s.expectEnding(await s.start('read-row'), { state: 'failed', code: 'RESULT_INVALID' })
  expect(ending.message).toContain('result.structuredContent.row is a number that cannot be kept exactly')
})

test('a write stays applied, without its output, and is not sent again', async () => {
  await s.define('write-row', [ask('write_row'), end], { allow: true })
  const before = calls
  const run = await s.start('write-row')
  await s.expectEnding(run, { state: 'completed', result: null, writebacks: ['applied'] })
  const [statement] = await s.statements(run)
  expect(statement?.predicate).toMatchObject({ status: 'applied', code: 'RESULT_INVALID' })
  expect(calls).toBe(before + 1)
})
