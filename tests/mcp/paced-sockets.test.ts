/** TLS over a socket of ours is to do all that TLS over an ordinary one does. */
import { once } from 'node:events'
import {
  connect as connectRaw,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
} from 'node:net'
import { connect, createServer, type TLSSocket, type TlsOptions } from 'node:tls'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createGuardedFetch } from '../../lib/guarded-fetch.ts'
import { BELOW, PacedSocket } from '../../lib/paced-socket.ts'
import { makeCertificate } from '../support/certificates.ts'
import { startKeyUpdates } from '../support/key-updates.ts'
import { LOOPBACK, until } from './calls.ts'

const MEGABYTE = 1024 * 1024
const closing: (() => void)[] = []
const uncaught: unknown[] = []
const onUncaught = (error: unknown): void => void uncaught.push(error)

beforeEach(() => {
  // The certificates are nobody's, where that is not what is asked.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught)
})
afterEach(async () => {
  for (const close of closing.splice(0)) close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  vi.unstubAllEnvs()
  process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught)
  expect(uncaught.splice(0)).toEqual([])
})

async function urlOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return `https://localhost:${(server.address() as AddressInfo).port}/`
}

/** Each request is answered by `answer`. */
async function serve(answer: (socket: TLSSocket, path: string) => void, options: TlsOptions = {}) {
  const sockets: TLSSocket[] = []
  const server = createServer({ ...makeCertificate('localhost'), ...options }, (socket) => {
    sockets.push(socket)
    closing.push(() => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => answer(socket, bytes.toString().split(' ')[1] ?? ''))
  })
  return { sockets, url: await urlOf(server.on('tlsClientError', () => undefined)) }
}

function guardedFetch(keepAlive = false) {
  const guarded = createGuardedFetch({ allowedHosts: LOOPBACK, keepAlive })
  closing.push(() => guarded.close())
  return guarded
}

const head = (length: number): string => `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`

test('an answer whose end is that of its connection is read to its end', async () => {
  const { url } = await serve((socket) => {
    socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(3 * MEGABYTE)}!`)
  })
  const text = await (await guardedFetch()(url)).text()
  expect([text.length, text.at(-1)]).toEqual([3 * MEGABYTE + 1, '!'])
})

test('a connection is kept for the next request, and one that was closed meanwhile is not used', async () => {
  const { url, sockets } = await serve((socket) => {
    socket.write(head(10 * MEGABYTE))
    socket.write('x'.repeat(10 * MEGABYTE))
  })
  const guarded = guardedFetch(true)
  for (const _ of [1, 2]) expect((await (await guarded(url)).text()).length).toBe(10 * MEGABYTE)
  expect(sockets).toHaveLength(1)
  const gone = once(sockets[0] as TLSSocket, 'close')
  sockets[0]?.end()
  await gone
  expect((await (await guarded(url)).text()).length).toBe(10 * MEGABYTE)
  expect(sockets).toHaveLength(2)
})

test('a server that nobody reads can send no more than what fits between', async () => {
  let sent = 0
  const { url } = await serve((socket) => {
    socket.write(head(200 * MEGABYTE))
    const more = (): void => {
      while (socket.writable && sent < 200) {
        sent += 1
        if (!socket.write('x'.repeat(MEGABYTE))) return void socket.once('drain', more)
      }
    }
    more()
  })
  const answer = await guardedFetch()(url)
  let before = -1
  while (before !== sent) {
    before = sent
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  expect(sent).toBeLessThan(50)
  await answer.body?.cancel()
})

test.each<[string, (socket: TLSSocket) => void]>([
  ['is reset', (socket) => socket.destroy()],
  ['ends', (socket) => socket.end()],
])('an answer whose connection %s in its middle fails', async (_what, leave) => {
  const { url } = await serve((socket) => {
    socket.write(`${head(100)}begun`)
    setTimeout(() => leave(socket), 50)
  })
  const answer = await guardedFetch()(url)
  await expect(answer.text()).rejects.toThrow()
})

test('a server that leaves before TLS is done fails the request', async () => {
  const url = await urlOf(createTcpServer((socket) => void socket.once('data', () => socket.end())))
  await expect(guardedFetch()(url)).rejects.toMatchObject({ code: 'ECONNRESET' })
})

test('a place where nobody listens fails the request', async () => {
  const url = await urlOf(createTcpServer())
  closing.pop()?.()
  await expect(guardedFetch()(url)).rejects.toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' })
})

test('a long body arrives whole, and is answered', async () => {
  let bytes = 0
  const server = createServer(makeCertificate('localhost'), (socket) => {
    closing.push(() => socket.destroy())
    socket.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (piece.toString('latin1').endsWith('!')) socket.write(head(0))
    })
  })
  const body = `${'x'.repeat(20 * MEGABYTE)}!`
  expect((await guardedFetch()(await urlOf(server), { method: 'POST', body })).status).toBe(200)
  expect(bytes).toBeGreaterThan(body.length)
})

test('the server is told which name is wanted', async () => {
  const { url, sockets } = await serve((socket) => socket.write(head(0)))
  await (await guardedFetch()(url)).text()
  expect(sockets[0]).toMatchObject({ servername: 'localhost' })
})

test.each([
  ['by nobody whom we know', 'localhost', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  // Node looks at the name only if it believes the rest.
  ['for another name, by nobody whom we know', 'elsewhere.example', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
])('a certificate %s is refused', async (_what, name, code) => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '1')
  const { url } = await serve((socket) => socket.write(head(0)), makeCertificate(name))
  await expect(guardedFetch()(url)).rejects.toMatchObject({ code })
})

test.each([
  ['elsewhere.example', 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['localhost', undefined],
])('a certificate for %s, by one whom we know, ends with %s', async (name, code) => {
  const authority = makeCertificate('authority')
  const { url } = await serve((socket) => void socket.end('bye'), makeCertificate(name, authority))
  const below = connectRaw({ host: '127.0.0.1', port: Number(new URL(url).port), ...BELOW })
  const socket = connect({
    socket: new PacedSocket(below, (read) => read()),
    host: 'localhost',
    ca: authority.cert,
    rejectUnauthorized: true,
  })
  const error = await Promise.race([once(socket, 'secureConnect'), once(socket, 'error')]).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect((error as { code?: string } | undefined)?.code ?? socket.errored?.['code' as 'message']).toBe(code)
  socket.destroy()
  await until(() => below.closed)
})

// Node’s own code for TLS over such a socket throws where nobody can catch it, if TLS answers after its end.
test('a server that goes on asking for an answer after our end gets none, and leaves no socket', async () => {
  const server = await startKeyUpdates({ asksBack: true })
  closing.push(() => server.stop())
  for (let turns = 0; turns < 8; turns++) {
    const below = connectRaw({ host: '127.0.0.1', port: server.port, ...BELOW })
    const errors: unknown[] = []
    const socket = connect({ socket: new PacedSocket(below, (read) => read()) })
    socket.on('error', (error) => errors.push(error)).resume()
    await once(socket, 'secureConnect')
    socket.write('a request')
    await once(below, 'readable')
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
    socket.end('the last words')
    await once(socket, 'finish')
    const { bytesRead } = below
    await until(() => below.closed || below.bytesRead > bytesRead + 65_536)
    socket.destroy()
    await until(() => below.closed)
    expect(errors).toEqual([])
  }
})
