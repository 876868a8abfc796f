/**
 * `fetch` for addresses that somebody configured, over node:http(s): http and https only, redirects are handed back and
 * never followed, and, unless allowed, no private, loopback, link-local or metadata address.
 *
 * The check sits in the `lookup` of the socket itself: what was checked is what is connected to, so a name that
 * changes its answer in between (DNS rebinding) gains nothing. Node's own `fetch` has no such place without undici's
 * dispatcher. Proxies from the environment are not used: behind one, the proxy would resolve the name again.
 */
import { lookup as resolveHost } from 'node:dns'
import * as http from 'node:http'
import * as https from 'node:https'
import { BlockList, isIP } from 'node:net'
import type { LookupFunction, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export interface GuardedFetch {
  /**
   * `beforeBytes` is called when the socket is connected, with nothing between it and the bytes of the request; of a long
   * body, the last one. If it throws, they do not leave, and nobody has got a request.
   */
  (url: string | URL, init?: RequestInit, beforeBytes?: () => void): Promise<Response>
  /** Cuts every connection of this instance, also those under way. */
  close(): void
}

export interface GuardedFetchOptions {
  allowPrivateAddresses: boolean
  /** Keeps connections for the next request, until `close()`. */
  keepAlive?: boolean
}

/** The address is not one we may connect to; nothing was sent. */
export class AddressRefusedError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AddressRefusedError'
  }
}

interface Agents {
  http: http.Agent
  https: https.Agent
}

/** As much as a fresh connection takes on every platform. */
const MAX_BYTES_AT_ONCE = 16 * 1024
const WITHOUT_BODY = new Set([204, 205, 304])

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const agentOptions = { keepAlive: options.keepAlive ?? false }
  const agents: Agents = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) }

  async function guardedFetch(
    address: string | URL,
    init: RequestInit = {},
    beforeBytes: () => void = () => undefined,
  ): Promise<Response> {
    const url = new URL(address)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new AddressRefusedError(`Only http and https are allowed, not ${url.protocol}`)
    }
    // A literal address never reaches `lookup`.
    const literal = url.hostname.replace(/^\[|\]$/g, '')
    if (!options.allowPrivateAddresses && isIP(literal) !== 0) refusePrivate(url.hostname, [literal])
    const bytes = bytesOf(init.body)
    const secure = url.protocol === 'https:'
    const request = (secure ? https : http).request(url, {
      ...requestOptions(init),
      agent: secure ? agents.https : agents.http,
      ...(options.allowPrivateAddresses ? {} : { lookup: guardedLookup }),
    })
    return toResponse(await send(request, { bytes, signal: init.signal }, beforeBytes))
  }

  function close(): void {
    agents.http.destroy()
    agents.https.destroy()
  }

  return Object.assign(guardedFetch, { close })
}

function send(
  request: http.ClientRequest,
  { bytes, signal }: { bytes: Uint8Array | undefined; signal: RequestInit['signal'] },
  beforeBytes: () => void,
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
    if (signal) onAbort(signal, request, reject)
    const end = (last?: Uint8Array) => {
      try {
        beforeBytes()
        request.end(last)
      } catch (error) {
        reject(error as Error)
        request.destroy()
      }
    }
    onceConnected(request, () => write(request, bytes, end))
  })
}

/**
 * What the kernel does not take at once stays with us, and would leave whenever it takes more. So the last byte of a long
 * body waits for the rest to be gone: without it there is no request.
 */
function write(
  request: http.ClientRequest,
  bytes: Uint8Array | undefined,
  end: (bytes?: Uint8Array) => void,
): void {
  if (bytes === undefined || bytes.byteLength <= MAX_BYTES_AT_ONCE) return end(bytes)
  request.setHeader('content-length', bytes.byteLength)
  request.write(bytes.subarray(0, -1), (error) => {
    if (!error) end(bytes.subarray(-1))
  })
}

/** Node takes a request before it has a socket, and sends it whenever there is one: it gets ours when there is. */
function onceConnected(request: http.ClientRequest, write: () => void): void {
  request.once('socket', (socket: Socket | TLSSocket) => {
    if (socket.connecting) socket.once('encrypted' in socket ? 'secureConnect' : 'connect', write)
    else write()
  })
}

/**
 * Not the `signal` of node:http, and no error for `destroy`: on a kept connection whose answer has just come to its end
 * Node emits that error on a socket that nobody listens to any more, which ends the process (seen on 20.20).
 */
function onAbort(signal: AbortSignal, request: http.ClientRequest, reject: (reason: unknown) => void): void {
  const abort = () => {
    reject(new DOMException('The request was aborted.', 'AbortError'))
    request.destroy()
  }
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  request.on('close', () => signal.removeEventListener('abort', abort))
}

function requestOptions({ method = 'GET', headers: given, body }: RequestInit): http.RequestOptions {
  const headers = new Headers(given)
  // Nothing here unpacks, so that a small answer cannot unfold into a large one.
  headers.set('accept-encoding', 'identity')
  if (body instanceof URLSearchParams && !headers.has('content-type'))
    headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
  return { method, headers: Object.fromEntries(headers) }
}

function bytesOf(body: RequestInit['body']): Uint8Array | undefined {
  if (body === undefined || body === null) return undefined
  if (body instanceof URLSearchParams) return Buffer.from(body.toString())
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return body
  throw new TypeError('A request body is text, bytes or URLSearchParams.')
}

function toResponse(message: http.IncomingMessage): Response {
  const status = message.statusCode ?? 0
  const encoding = message.headers['content-encoding'] ?? 'identity'
  if (status < 200 || status > 599 || encoding !== 'identity') {
    message.destroy()
    throw new Error(`The server answered with status ${status} and content-encoding ${encoding}.`)
  }
  const headers = new Headers()
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value)
  }
  const init = { status, statusText: message.statusMessage ?? '', headers }
  if (WITHOUT_BODY.has(status)) {
    message.resume()
    return new Response(null, init)
  }
  return new Response(toStream(message), init)
}

/** Not Readable.toWeb: on Node 20 it throws outside of any handler when the reader cancels while data arrives. */
function toStream(message: http.IncomingMessage): ReadableStream<Uint8Array> {
  const chunks = message[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next: IteratorResult<Uint8Array, undefined> = await chunks.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
    cancel() {
      message.destroy()
    },
  })
}

const guardedLookup: LookupFunction = (hostname, options, callback) => {
  resolveHost(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, [])
    try {
      refusePrivate(
        hostname,
        addresses.map(({ address }) => address),
      )
    } catch (refusal) {
      return callback(refusal as Error, [])
    }
    const [first] = addresses
    if (options.all === true || first === undefined) return callback(null, addresses)
    return callback(null, first.address, first.family)
  })
}

/** One private address among several refuses the name: a public one beside it is how rebinding looks. */
function refusePrivate(hostname: string, addresses: string[]): void {
  const found = addresses.find((address) => PRIVATE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
  if (found !== undefined) {
    throw new AddressRefusedError(
      `${hostname} is at ${found}, a private address; the connection does not allow private addresses`,
    )
  }
}

/** IPv4 in IPv6 notation (::ffff:a.b.c.d) is checked against the IPv4 ranges by BlockList itself. */
const PRIVATE = blockList({
  ipv4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ],
  // Also the ranges that carry an IPv4 address inside (NAT64, Teredo, 6to4): they lead to private ones.
  ipv6: [
    '::/96',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001::/32',
    '2001:db8::/32',
    '2002::/16',
    'fc00::/7',
    'fe80::/10',
    'fec0::/10',
    'ff00::/8',
  ],
})

function blockList(ranges: { ipv4: string[]; ipv6: string[] }): BlockList {
  const list = new BlockList()
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const range of ranges[family]) {
      const [network = '', prefix] = range.split('/')
      list.addSubnet(network, Number(prefix), family)
    }
  }
  return list
}
