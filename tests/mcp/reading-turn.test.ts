/** Large answers are read in turn, and what is in our hands when a write runs out of time is read all the same. */
import { setMaxListeners } from 'node:events'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { SendWindow } from '../../lib/send-window.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpServer } from '../../mcp/port.ts'
import { startTestMcpServer, type TestMcpServer } from '../support/mcp-server.ts'
import { failureOf, httpTarget, limits, request, stdioTarget, until } from './calls.ts'

const MB = 1024 * 1024
/** Reading one of them, and the rest after it, takes most of a second. */
const NAMES = 90_000
const LARGE = JSON.stringify(Object.fromEntries(Array.from({ length: NAMES }, (_, at) => [`n${at}`, at])))
const client = createMcpClient()
const servers: TestMcpServer[] = []

/** Ends the crowds of one test, so that the next one is not behind them. */
let stop = new AbortController()

afterEach(async () => {
  stop.abort()
  stop = new AbortController()
  await Promise.all(servers.splice(0).map((server) => server.close()))
})
afterAll(() => client.close())

const answer = (id: unknown, value = LARGE): string =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[],"structuredContent":${value}}}`

/** Holds the answers to calls until it is told to give them, in the order of the calls. */
async function holding(): Promise<{ url: string; held: (() => void)[] }> {
  const held: (() => void)[] = []
  const server = await startTestMcpServer({
    intercept: ({ method, id, params }, response) => {
      if (method !== 'tools/call') return false
      const value = (params as { name?: string }).name === 'small' ? '{}' : LARGE
      response.writeHead(200, { 'content-type': 'application/json' })
      held.push(() => response.end(answer(id, value)))
      return true
    },
  })
  servers.push(server)
  return { url: server.url, held }
}

const of = (target: McpServer, organization: string): McpServer => ({ ...target, poolKey: organization })

/** So many large answers of an organization have come. Gives how many of them were read. */
async function crowd(organization: string, { size }: { size: number }): Promise<() => number> {
  const { url, held } = await holding()
  const target = of(httpTarget(url), organization)
  const { signal } = stop
  setMaxListeners(0, signal)
  const calls = Array.from({ length: size }, () =>
    request(target, 'large', { ...limits(60_000, signal), maxResultBytes: 9 * MB }),
  )
  let read = 0
  for (const call of calls)
    void client.callTool(call).then(
      () => read++,
      () => {},
    )
  await until(() => held.length === calls.length)
  for (const give of held) give()
  return () => read
}

describe('large answers', () => {
  test('of one organization let others pass, small ones at once', async () => {
    const { url, held } = await holding()
    const ended: string[] = []
    const call = async (organization: string, tool: string): Promise<void> => {
      const before = held.length
      const called = client
        .callTool(
          request(of(httpTarget(url), organization), tool, { ...limits(60_000), maxResultBytes: 9 * MB }),
        )
        .then(() => ended.push(`${organization} ${tool}`))
      calls.push(called)
      await until(() => held.length > before)
    }
    const calls: Promise<unknown>[] = []
    for (let count = 0; count < 5; count++) await call('busy', 'large')
    await call('other', 'large')
    await call('other', 'small')
    for (const give of held) give()
    await Promise.all(calls)
    expect(ended.indexOf('other small')).toBeLessThan(3)
    expect(ended.indexOf('other large')).toBeLessThan(4)
  })
})

describe('a large answer whose turn does not come', () => {
  /** A call, behind a crowd, whose answer has come as soon as it is made. `windowMs`: of a write. */
  const begin = async (by: string, organization: string, windowMs: number | null) => {
    // Too many for its turn to come before its deadline. They come side by side: with the first ones read, all have come.
    const read = await crowd(organization, { size: 60 })
    await until(() => read() >= 2)
    const { url, held } = await holding()
    const window = windowMs === null ? null : new SendWindow(windowMs)
    const target = of(by === 'stdio' ? stdioTarget() : httpTarget(url), organization)
    const call = client.callTool(
      request(target, by === 'stdio' ? 'exact' : 'large', {
        arguments: { text: answer(1) },
        maxResultBytes: 9 * MB,
        deadlineAtMs: window?.deadlineAtMs ?? Date.now() + 8_000,
        window,
      }),
    )
    call.catch(() => {})
    if (by === 'HTTP') await until(() => held.length > 0)
    for (const give of held) give()
    return call
  }

  test.each(['HTTP', 'stdio'])('over %s is told of when a reading runs out of time', async (by) => {
    const failure = await failureOf(begin(by, `reads by ${by}`, null))
    expect(failure).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown' })
    expect(failure.message).toContain('its turn to be read')
  })

  test.each(['HTTP', 'stdio'])('over %s is read out of turn for a write', async (by) => {
    const said = await begin(by, `writes by ${by}`, 9_000).then(
      ({ structuredContent }) => Object.keys(structuredContent as object).length,
      (error: Error) => error.message,
    )
    expect(said).toBe(NAMES)
  })
})

test('is read in its turn when the child has ended after it', async () => {
  await crowd('gone', { size: 4 })
  const target = of(stdioTarget(), 'other')
  const call = request(target, 'last', { arguments: { text: answer(1) }, maxResultBytes: 9 * MB })
  expect(Object.keys((await client.callTool(call)).structuredContent as object)).toHaveLength(NAMES)
})
