import { createSocket } from 'node:dgram'
import dns from 'node:dns'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { createGuardedFetch } from '../../lib/guarded-fetch.ts'
import { makeCertificate } from '../support/certificates.ts'
import { until } from './calls.ts'

const servers: Server[] = []

async function serve(listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** `inside.example` is at 127.0.0.1; of all else nothing is said. */
function answerTo(query: Buffer): Buffer | undefined {
  if (!query.includes('inside')) return undefined
  const isIpv4 = query.readUInt16BE(query.indexOf(0, 12) + 1) === 1
  const question = query.subarray(12, query.indexOf(0, 12) + 5)
  const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, isIpv4 ? 1 : 0, 0, 0, 0, 0])
  const address = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])
  return Buffer.concat([head, question, ...(isIpv4 ? [address] : [])])
}

const open = createGuardedFetch({ allowedHosts: parseAllowedHosts('127.0.0.1') })
const guarded = createGuardedFetch({ allowedHosts: [] })

describe('the guarded fetch', () => {
  const refused = [
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://10.1.2.3/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://172.31.255.255/',
    'https://192.168.0.1/',
    'http://0.0.0.0/',
    'http://[::1]/',
    'http://[::]/',
    'http://168.63.129.16/',
    'http://[::ffff:10.0.0.1]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://[2001:db9::5efe:127.0.0.1]/',
    'http://[2a00:1::200:5efe:7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:0:1::1]/',
    'http://[64:ff9b::a00:1]/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1]/',
    'file:///etc/passwd',
  ]
  for (const url of refused) {
    it(`refuses ${url}`, async () => {
      await expect(guarded(url)).rejects.toMatchObject({ name: 'AddressRefusedError' })
    })
  }

  it('refuses a name that leads to a private address, and connects to nothing', async () => {
    let requests = 0
    const port = await serve((_request, response) => {
      requests += 1
      response.end()
    })
    await expect(guarded(`http://localhost:${port}/`)).rejects.toMatchObject({ name: 'AddressRefusedError' })
    expect(requests).toBe(0)
  })

  describe('with name servers of a tenant', () => {
    const before = dns.getServers()
    const nameServer = createSocket('udp4')
    let asked = 0
    beforeAll(async () => {
      nameServer.on('message', (query, { port, address }) => {
        asked += 1
        const answer = answerTo(query)
        if (answer) nameServer.send(answer, port, address)
      })
      await new Promise<void>((resolve) => nameServer.bind(0, '127.0.0.1', resolve))
      dns.setServers([`127.0.0.1:${nameServer.address().port}`])
    })
    afterAll(() => {
      dns.setServers(before)
      nameServer.close()
    })

    it('refuses a name that DNS leads inside', async () => {
      await expect(guarded('http://inside.example/')).rejects.toMatchObject({ name: 'AddressRefusedError' })
      await expect(open('http://inside.example:1/')).rejects.toMatchObject({ syscall: 'connect' })
    })

    it('asks for no name in a thread that others need, and gives up', async () => {
      asked = 0
      const slow = Array.from({ length: 8 }, (_, number) => guarded(`http://slow-${number}.example/`))
      const ends = Promise.allSettled(slow).then((all) => {
        for (const one of all) expect(one).toMatchObject({ reason: { syscall: 'getaddrinfo' } })
        return 'the names'
      })
      const first = await Promise.race([ends, readFile(import.meta.filename).then(() => 'a file')])
      expect(first).toBe('a file')
      await ends
      expect(asked).toBeGreaterThanOrEqual(8)
    })
  })

  it('does not hold back a public address', async () => {
    // A documentation name that does not resolve: the failure is that of the resolver, not of the guard.
    await expect(guarded('http://public.invalid/')).rejects.toMatchObject({ syscall: 'getaddrinfo' })
  })

  it('sends and brings bodies and headers', async () => {
    const port = await serve((request, response) => {
      response.writeHead(201, { 'x-method': request.method, 'content-type': request.headers['content-type'] })
      request.pipe(response)
    })
    const response = await open(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: new URLSearchParams({ a: 'ä b' }),
    })
    expect(response.status).toBe(201)
    expect(response.headers.get('x-method')).toBe('POST')
    expect(response.headers.get('content-type')).toContain('application/x-www-form-urlencoded')
    expect(await response.text()).toBe('a=%C3%A4+b')
  })

  it('hands a redirect back and does not follow it', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/next') response.end('followed')
      else response.writeHead(302, { location: '/next' }).end()
    })
    const response = await open(`http://127.0.0.1:${port}/`)
    expect(response.status).toBe(302)
    expect(await response.text()).toBe('')
  })

  it('fails, before and during the body, when it is aborted', async () => {
    const port = await serve((request, response) => {
      if (request.url === '/body') response.writeHead(200).write('begin')
    })
    const abort = new AbortController()
    const { signal } = abort
    const early = open(`http://127.0.0.1:${port}/`, { signal })
    const response = await open(`http://127.0.0.1:${port}/body`, { signal })
    abort.abort()
    await expect(early).rejects.toMatchObject({ name: 'AbortError' })
    await expect(response.text()).rejects.toThrow()
  })

  it('refuses a packed answer that it did not ask for', async () => {
    const port = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('hello'))
    })
    await expect(open(`http://127.0.0.1:${port}/`)).rejects.toThrow('gzip')
  })

  it('can stop reading in the middle', async () => {
    let closed = false
    const port = await serve((_request, response) => {
      response.on('close', () => {
        closed = true
      })
      const timer = setInterval(() => response.write('x'.repeat(10_000)), 1)
      response.on('close', () => clearInterval(timer))
    })
    const response = await open(`http://127.0.0.1:${port}/`)
    const reader = response.body?.getReader()
    await reader?.read()
    await reader?.cancel()
    await expect.poll(() => closed).toBe(true)
  })
})

describe('right before the first byte', () => {
  it('is asked, once per request, and sends nothing if the answer is no', async () => {
    let requests = 0
    const port = await serve((_request, response) => {
      requests += 1
      response.end()
    })
    const kept = createGuardedFetch({ allowedHosts: parseAllowedHosts('127.0.0.1'), keepAlive: true })
    const url = `http://127.0.0.1:${port}/`
    const no = () => {
      throw new Error('too late')
    }
    await expect(kept(url, { method: 'POST', body: 'x' }, no)).rejects.toThrow('too late')
    let asked = 0
    for (const _ of [1, 2]) await (await kept(url, { method: 'POST', body: 'x' }, () => void asked++)).text()
    await expect(kept(url, { method: 'POST', body: 'x' }, no)).rejects.toThrow('too late')
    expect([asked, requests]).toEqual([2, 2])
    kept.close()
  })

  it('is asked of a long body when all but its last byte is gone, and it is none without that byte', async () => {
    const seen: string[] = []
    const receiver = createTcpServer((socket) => {
      socket.pause()
      setTimeout(() => {
        seen.push('read')
        socket.resume()
      }, 100)
      let bytes = 0
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength
        if (chunk.toString('latin1').endsWith('!')) seen.push('whole')
      })
      socket.on('close', () => seen.push(bytes > body.length ? 'much' : 'little'))
    })
    const body = `${'x'.repeat(20_000_000)}!`
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
    const late = () => {
      seen.push('asked')
      throw new Error('too late')
    }
    await expect(open(url, { method: 'POST', body }, late)).rejects.toThrow('too late')
    await until(() => seen.length === 3)
    expect(seen).toEqual(['read', 'asked', 'much'])
    receiver.close()
    const port = await serve((request, response) => {
      let bytes = 0
      request.on('data', (chunk: Buffer) => (bytes += chunk.byteLength))
      request.on('end', () => response.end(String(bytes)))
    })
    const answer = await open(`http://127.0.0.1:${port}/`, { method: 'POST', body })
    expect(await answer.text()).toBe(String(body.length))
  })

  it('is not asked before the connection is secure: what waits for that would leave later', async () => {
    const silent = createTcpServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const connected = once(silent, 'connection')
    const { port } = silent.address() as AddressInfo
    const stop = new AbortController()
    let asked = 0
    const sending = open(`https://127.0.0.1:${port}/`, { signal: stop.signal }, () => void asked++)
    const [socket] = (await connected) as [Socket]
    await once(socket, 'data')
    stop.abort()
    await expect(sending).rejects.toThrow('aborted')
    expect(asked).toBe(0)
    socket.destroy()
    silent.close()
  })
})

describe('a request that is given up', () => {
  const LAST = 'the last bytes'

  /** Its other side has taken none of it yet, and reads only when it is told to. What arrives then? */
  async function arrivedAfterwards(protocol: 'http' | 'https'): Promise<string> {
    let arrived = ''
    const sockets: Socket[] = []
    const take = (socket: Socket): void => {
      sockets.push(socket)
      socket.on('data', (bytes) => (arrived = (arrived + bytes.toString()).slice(-100)))
      socket.on('error', () => undefined)
      socket.pause()
    }
    const { cert, key } = makeCertificate('localhost')
    const server =
      protocol === 'http'
        ? createTcpServer(take)
        : createTlsServer({ cert, key }, take).on('tlsClientError', () => undefined)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const stop = new AbortController()
    let isHandedOver = false
    const body = 'x'.repeat(1_500_000) + LAST
    const sending = open(
      `${protocol}://localhost:${port}/`,
      { method: 'POST', body, signal: stop.signal },
      () => setImmediate(() => (isHandedOver = true)),
    )
    await until(() => isHandedOver && sockets.length === 1)
    stop.abort()
    await expect(sending).rejects.toThrow('aborted')
    const [socket] = sockets
    const closed = new Promise((resolve) => socket?.once('close', resolve))
    socket?.resume()
    await closed
    await new Promise((resolve) => server.close(resolve))
    return arrived
  }

  it.each(['http', 'https'] as const)(
    'by %s does not arrive afterwards, though the kernel had taken it',
    async (protocol) => {
      // The certificate is nobody's.
      vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
      expect(await arrivedAfterwards(protocol)).not.toContain(LAST)
      vi.unstubAllEnvs()
    },
  )
})
