/**
 * The attacker is a tenant who writes a connection, and owns the server that it leads to. What is kept out of each error are
 * his own headers, and it is looked for by the one thread of a worker.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { createTargetResolver } from '../../activities/targets.ts'
import { readDatabaseAddress } from '../../lib/database-address.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { CodedError } from '../../schemas/errors.ts'
import { ConnectionSpecSchema, type McpConnectionSpec } from '../../schemas/manifests.ts'
import { failureOf, httpTarget, limits, request } from '../mcp/calls.ts'

const running: { close(): unknown }[] = []
const client = createMcpClient()
afterEach(() => {
  for (const one of running.splice(0)) one.close()
})
afterAll(() => client.close())

/** Answers each call with an error of so many words. */
async function serveWords(length: number): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    let body = ''
    incoming.on('data', (bytes: Buffer) => (body += bytes.toString()))
    incoming.on('end', () => {
      const { id, method } = (body === '' ? {} : JSON.parse(body)) as { id?: number; method?: string }
      if (id === undefined) return void outgoing.writeHead(202).end()
      const serverInfo = { name: 'words', version: '1' }
      const answer =
        method === 'initialize'
          ? { result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo } }
          : { error: { code: -32603, message: 'a'.repeat(length) } }
      outgoing.writeHead(200, { 'content-type': 'application/json' })
      outgoing.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push(server)
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

/** What a failing call takes of a processor, and its code. */
async function costOf(url: string, headers: Record<string, string>): Promise<[string, number]> {
  const before = process.cpuUsage()
  const bounds = { ...limits(60_000), maxResultBytes: 4_000_000 }
  const { code } = await failureOf(client.callTool(request(httpTarget(url, headers), 'look', bounds)))
  return [code, process.cpuUsage(before).user / 1_000]
}

test('the failure of a call with a header of colons takes no time of others', async () => {
  const [code, processorMs] = await costOf('http://127.0.0.1:1/mcp', { 'x-a': `${':'.repeat(100_000)}/` })
  expect(code).toBe('CONNECTION_NOT_READY')
  // Else a quarter of a minute.
  expect(processorMs).toBeLessThan(2_000)
})

test('nor does a long error of a server, with headers that begin as it does', async () => {
  const headers = Object.fromEntries(
    Array.from({ length: 58 }, (_none, n) => [`x-${n}`, `${'a'.repeat(260)}${n}`]),
  )
  const [code, processorMs] = await costOf(await serveWords(2_000_000), headers)
  expect(code).toBe('TOOL_FAILED')
  expect(processorMs).toBeLessThan(2_000)
})

describe('headers, with their secrets,', () => {
  const targetOf = createTargetResolver({
    resolveSecret: (_organization, name) => 'x'.repeat(Number(name)),
    commandsFile: 'none',
  })
  const resolved = (headers: Record<string, string>) => {
    const spec = { type: 'mcp', transport: 'http', url: 'https://a.example/mcp', headers }
    return targetOf({ organization: 'acme', spec: ConnectionSpecSchema.parse(spec) as McpConnectionSpec })
  }

  test('have room for what servers take', async () => {
    expect(await resolved({ a: '${secret:8000}', b: '${secret:8000}' })).toMatchObject({ type: 'http' })
  })

  test.each<[string, Record<string, string>, string]>([
    ['one is too large', { a: 'Bearer ${secret:9000}' }, 'a: 9 KB, at most 8 KB'],
    ['all are', { a: '${secret:8000}', b: '${secret:8000}', c: '${secret:8000}' }, 'at most 16 KB'],
    [
      'they are too many',
      Object.fromEntries(Array.from({ length: 65 }, (_none, n) => [`x-${n}`, 'a'])),
      '65 headers, at most 64',
    ],
  ])('are not sent if %s', async (_why, headers, said) => {
    const [code, message] = await resolved(headers).then(
      ({ type }) => [type, ''],
      (error: CodedError) => [error.code, error.message],
    )
    expect(code).toBe('HEADERS_TOO_LARGE')
    expect(message).toContain(said)
  })
})

test('the address of a database has names of the length that names have', () => {
  const long = 'a'.repeat(129)
  expect(readDatabaseAddress(`postgres://${long}:x@db.example/${long}`)).toEqual({
    problems: ['the user has over 128 characters', 'the database has over 128 characters'],
  })
})
