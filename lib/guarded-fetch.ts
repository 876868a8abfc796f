/**
 * `fetch` for addresses that somebody configured, over node:http(s): http and https only, redirects are handed back and
 * never followed, and no private, loopback, link-local or metadata address but those that the operator allows. Node's
 * own `fetch` has no place for that check without undici's dispatcher. Proxies from the environment are not used: behind
 * one, the proxy would resolve the name again.
 */
import * as http from 'node:http'
import * as https from 'node:https'
import { placeOf, type AllowedHost } from './allowed-hosts.ts'
import { AddressRefusedError, guardedLookup, refuseLiteral } from './guarded-lookup.ts'
import type { InTurn } from './paced-socket.ts'
import { ResettingAgent, resetSocket, whenConnected } from './resetting-agent.ts'
import { TLS_BOUNDS } from './tls-bounds.ts'
import { WireMeter, type OnExcess } from './wire-meter.ts'

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
  /** Private ones that may be reached. */
  allowedHosts: readonly AllowedHost[]
  /** Keeps connections for the next request, until `close()`. */
  keepAlive?: boolean
  /** Called when a server is cut off, because more came on the sockets of this instance than its answers need. */
  onExcess?: OnExcess
  /** When more of a body is taken from its socket, or with TLS of what comes: at once, unless somebody else has to have a turn. */
  inTurn?: InTurn
}

interface Agents {
  http: http.Agent
  https: https.Agent
}

/** As much as a fresh connection takes on every platform. */
const MAX_BYTES_AT_ONCE = 16 * 1024
const WITHOUT_BODY = new Set([204, 205, 304])

/**
 * With anything in it a stream is full: so after each piece that comes a socket stands still until that is read. Else Node
 * would parse megabytes of the smallest chunks at one stretch.
 */
const PIECE_BY_PIECE = { highWaterMark: 1 }

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const { onExcess = () => undefined, inTurn = (read) => read() } = options
  const meter = new WireMeter(onExcess)
  const agentOptions = { keepAlive: options.keepAlive ?? false, ...PIECE_BY_PIECE }
  const agents: Agents = {
    http: new http.Agent(agentOptions),
    https: new ResettingAgent({ ...agentOptions, ...TLS_BOUNDS }, inTurn),
  }

  async function guardedFetch(
    address: string | URL,
    init: RequestInit = {},
    beforeBytes: () => void = () => undefined,
  ): Promise<Response> {
    const url = new URL(address)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new AddressRefusedError(`Only http and https are allowed, not ${url.protocol}`)
    }
    refuseLiteral(placeOf(url), options.allowedHosts)
    const bytes = bytesOf(init.body)
    const secure = url.protocol === 'https:'
    const request = (secure ? https : http).request(url, {
      ...requestOptions(init),
      agent: secure ? agents.https : agents.http,
      lookup: guardedLookup(placeOf(url).port, options.allowedHosts),
    })
    request.once('socket', (socket) => meter.watch(request, socket))
    const message = await send(request, { bytes, signal: init.signal }, beforeBytes)
    return toResponse(message, () => toStream(message, meter, inTurn))
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
    // Node takes a request before it has a socket, and sends it whenever there is one: it gets ours when there is.
    request.once('socket', (socket) => whenConnected(socket, () => write(request, bytes, end)))
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

/**
 * With a reset, for what the kernel still holds would arrive whenever the other side reads again, long after we have
 * said that nothing more is under way. Not the `signal` of node:http, and no error for `destroy`: on a kept connection
 * whose answer has just come to its end Node emits that error on a socket that nobody listens to any more, which ends
 * the process (seen on 20.20).
 */
function onAbort(signal: AbortSignal, request: http.ClientRequest, reject: (reason: unknown) => void): void {
  const abort = () => {
    reject(new DOMException('The request was aborted.', 'AbortError'))
    if (request.socket) resetSocket(request.socket)
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

function toResponse(message: http.IncomingMessage, toBody: () => ReadableStream<Uint8Array>): Response {
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
  return new Response(toBody(), init)
}

/**
 * All that has come is one piece. Not Readable.toWeb: on Node 20 it throws outside of any handler when the reader cancels
 * while data arrives.
 */
function toStream(
  message: http.IncomingMessage,
  meter: WireMeter,
  inTurn: InTurn,
): ReadableStream<Uint8Array> {
  let failure: Error | undefined
  let wake = (): void => undefined
  const onMore = (): void => wake()
  for (const event of ['readable', 'end', 'close']) message.on(event, onMore)
  message.on('error', (error) => {
    failure = error
    wake()
  })
  const read = (): Buffer | null => message.read() as Buffer | null
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const more = new Promise<void>((resolve) => (wake = resolve))
        const bytes = message.readableLength > 0 ? await inTurn(read) : read()
        if (bytes !== null) {
          meter.hasContent(bytes.byteLength)
          return controller.enqueue(bytes)
        }
        if (message.readableEnded) return controller.close()
        if (failure || message.closed) throw failure ?? new Error('The answer was cut off.')
        await more
      }
    },
    cancel() {
      message.destroy()
    },
  })
}
