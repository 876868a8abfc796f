/**
 * The attacker owns a server or a database that is reached by TLS. What TLS says to itself carries no data, and costs the one
 * thread of a process that does all of it.
 */
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import {
  createServer as createTlsServer,
  type SecureVersion,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createGuardedFetch } from '../../lib/guarded-fetch.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpCallError } from '../../mcp/errors.ts'
import type { CodedError } from '../../schemas/errors.ts'
import { httpTarget, limits as mcpLimits, LOOPBACK, request } from '../mcp/calls.ts'
import { makeCertificate, makeChain } from '../support/certificates.ts'
import { startKeyUpdates, type KeyUpdates } from '../support/key-updates.ts'
import { createSqlTarget, limits, sqlOperation, waive } from '../support/sql-target.ts'

const running: { stop(): unknown }[] = []
const client = createMcpClient()
// The certificates are nobody's.
beforeEach(() => void vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0'))
afterEach(() => {
  for (const one of running.splice(0)) one.stop()
  vi.unstubAllEnvs()
})
afterAll(() => client.close())

async function updatingItsKeys(given: KeyUpdates): Promise<number> {
  const server = await startKeyUpdates(given)
  running.push(server)
  return server.port
}

/** What a write in a database there is told. */
async function saidBy(
  port: number,
  tell: (error: CodedError) => string = ({ message }) => message,
): Promise<string> {
  const sql = createSqlTarget(() => `postgres://app:pw@127.0.0.1:${port}/shop?sslmode=require`)
  const said = await sql.executor.plan(sqlOperation(waive(1)), limits(20_000)).then(() => 'planned', tell)
  await sql.close()
  return said
}

const AROUND = 512 * 1024

describe('a server that updates its keys without end', () => {
  test.each([
    ['its own', false],
    ['those of both sides', true],
  ])('(%s) is cut off', async (_what, asksBack) => {
    const url = `https://localhost:${await updatingItsKeys({ asksBack })}/mcp`
    const end = await client
      .callTool(request(httpTarget(url), 'look', mcpLimits(20_000)))
      .catch((error: unknown) => error)
    expect(end).toMatchObject({
      code: 'RESULT_TOO_LARGE',
      message: expect.stringContaining(`more than ${AROUND} bytes around its content`) as string,
    })
  })

  test('is read in small pieces, each in its turn', async () => {
    const url = `https://localhost:${await updatingItsKeys({ asksBack: true })}/`
    const waiting: (() => void)[] = []
    const excess: string[] = []
    let turns = 0
    const guarded = createGuardedFetch({
      allowedHosts: LOOPBACK,
      onExcess: (most) => excess.push(most),
      inTurn: (read) => new Promise((resolve) => waiting.push(() => resolve(read()))),
    })
    let isOver = false
    const end = guarded(url)
      .catch(() => 'cut off')
      .finally(() => (isOver = true))
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve))
      if (waiting.length > 1) throw new Error('a socket has two turns at a time')
      if (waiting.length > 0) turns += 1
      waiting.shift()?.()
    }
    expect(await end).toBe('cut off')
    expect(excess).toEqual([`${AROUND} bytes around its content`])
    expect(turns).toBeGreaterThanOrEqual(AROUND / 4_096)
  })
})

const ready = Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'latin1')

test('a database that updates its keys without end is cut off', async () => {
  const port = await updatingItsKeys({ isDatabase: true, welcome: ready })
  expect(await saidBy(port)).toContain(`over ${AROUND} bytes around what it has to say`)
})

/** Answers in no other way than so. `isDatabase`: asked for it first. */
async function serveTls(
  options: TlsOptions,
  isDatabase: boolean,
  answer = (socket: TLSSocket): void =>
    void socket.end(isDatabase ? ready : 'HTTP/1.1 204 No Content\r\n\r\n'),
): Promise<number> {
  const ofRsa = makeCertificate('localhost', makeCertificate('authority'), 'rsa')
  const inner = createTlsServer({ ...ofRsa, ...options }, (socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  }).on('tlsClientError', () => undefined)
  const server = createServer((socket: Socket) => {
    if (!isDatabase) return void inner.emit('connection', socket)
    socket.once('data', () => {
      socket.pause()
      socket.write('S')
      inner.emit('connection', socket)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push({ stop: () => server.close() })
  return (server.address() as AddressInfo).port
}

describe('keys over a finite field, whose size the server chooses,', () => {
  test.each<[string, TlsOptions]>([
    ['TLS 1.2', { ciphers: 'DHE-RSA-AES128-GCM-SHA256', dhparam: 'auto', maxVersion: 'TLSv1.2' }],
    ['TLS 1.3', { ecdhCurve: 'ffdhe2048', minVersion: 'TLSv1.3' }],
  ])('are not agreed upon by %s, with a server or a database', async (_version, options) => {
    const guarded = createGuardedFetch({ allowedHosts: LOOPBACK })
    const url = `https://localhost:${await serveTls(options, false)}/`
    const end = guarded(url).then(
      () => 'agreed',
      (error: Error) => error.message,
    )
    expect(await end).toContain('handshake failure')
    expect(await saidBy(await serveTls(options, true))).toContain('handshake failure')
  })
})

test('keys over a curve are agreed upon, with either version', async () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const guarded = createGuardedFetch({ allowedHosts: LOOPBACK })
    const answer = await guarded(`https://localhost:${await serveTls({ maxVersion }, false)}/`)
    expect(answer.status).toBe(204)
  }
})

test.each([
  ['server', false],
  ['database', true],
])('a %s that asks for another handshake gets none', async (_what, isDatabase) => {
  const asked: string[] = []
  const port = await serveTls({ maxVersion: 'TLSv1.2' }, isDatabase, (socket) => {
    socket.on('error', (error) => asked.push(error.message))
    socket.renegotiate({}, (error) => asked.push(error ? error.message : 'it got one'))
  })
  const guarded = createGuardedFetch({ allowedHosts: LOOPBACK })
  const end = isDatabase ? saidBy(port) : guarded(`https://localhost:${port}/`).catch(() => undefined)
  await expect.poll(() => asked.length, { timeout: 10_000 }).toBeGreaterThan(0)
  guarded.close()
  await end
  expect(asked[0]).toContain('no renegotiation')
})

/** Below the most that OpenSSL takes: 90 million comparisons. */
const COSTLY = { names: 12_000, authorities: 87, constraints: 86 }

test.each([
  ['server', false],
  ['database', true],
])(
  'the certificates of a %s are not held against each other if they are 100 KB',
  async (_what, isDatabase) => {
    const port = await serveTls(makeChain(COSTLY), isDatabase)
    const target = httpTarget(`https://localhost:${port}/mcp`)
    const before = process.cpuUsage()
    const said = isDatabase
      ? await saidBy(port, ({ code, message }) => `${code} ${message}`)
      : await client
          .callTool(request(target, 'look', mcpLimits(20_000)))
          .catch(({ code, sent, message }: McpCallError) => `${code} ${sent} ${message}`)
    const processorMs = process.cpuUsage(before).user / 1_000
    expect(said).toMatch(isDatabase ? /^HANDSHAKE_TOO_LARGE / : /^HANDSHAKE_TOO_LARGE no /)
    expect(said).toContain('the server sends over 16 KB before TLS is set up')
    // Else a second and more.
    expect(processorMs).toBeLessThan(500)
  },
)

test.each<[SecureVersion]>([['TLSv1.2'], ['TLSv1.3']])(
  'with %s a server has room for 16 KB of certificates, and for no more',
  async (version) => {
    const begin = async (names: number): Promise<unknown> => {
      const versions = { minVersion: version, maxVersion: version }
      const port = await serveTls({ ...makeChain({ names }), ...versions }, false)
      const guarded = createGuardedFetch({ allowedHosts: LOOPBACK })
      return guarded(`https://localhost:${port}/`).then(
        ({ status }) => status,
        ({ code }: { code: string }) => code,
      )
    }
    // Of three bytes each.
    expect(await begin(4_800)).toBe(204)
    expect(await begin(5_500)).toBe('HANDSHAKE_TOO_LARGE')
  },
)
