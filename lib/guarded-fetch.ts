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

export interface GuardedFetch {
  (url: string | URL, init?: RequestInit): Promise<Response>
  /** Cuts every connection of this instance, also those under way. */
  close(): void
}

export interface GuardedFetchOptions {
  /** Private ones that may be reached. */
  allowedHosts: readonly AllowedHost[]
  /** Keeps connections for the next request, until `close()`. */
  keepAlive?: boolean
}

interface Agents {
  http: http.Agent
  https: https.Agent
}

const WITHOUT_BODY = new Set([204, 205, 304])

export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
  const agentOptions = { keepAlive: options.keepAlive ?? false }
  const agents: Agents = { http: new http.Agent(agentOptions), https: new https.Agent(agentOptions) }

  async function guardedFetch(address: string | URL, init: RequestInit = {}): Promise<Response> {
    const url = new URL(address)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new AddressRefusedError(`Only http and https are allowed, not ${url.protocol}`)
    }
    refuseLiteral(placeOf(url), options.allowedHosts)
    return toResponse(await send(url, init, agents, options.allowedHosts))
  }

  function close(): void {
    agents.http.destroy()
    agents.https.destroy()
  }

  return Object.assign(guardedFetch, { close })
}

function send(
  url: URL,
  init: RequestInit,
  agents: Agents,
  allowedHosts: readonly AllowedHost[],
): Promise<http.IncomingMessage> {
  const { body, headers } = requestBody(init)
  const secure = url.protocol === 'https:'
  const requestOptions: https.RequestOptions = {
    method: init.method ?? 'GET',
    headers: Object.fromEntries(headers),
    agent: secure ? agents.https : agents.http,
    lookup: guardedLookup(placeOf(url).port, allowedHosts),
  }
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request(url, requestOptions, resolve)
    request.on('error', reject)
    if (init.signal) onAbort(init.signal, request, reject)
    request.end(body)
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

function requestBody(init: RequestInit): { body: string | Uint8Array | undefined; headers: Headers } {
  const headers = new Headers(init.headers)
  // Nothing here unpacks, so that a small answer cannot unfold into a large one.
  headers.set('accept-encoding', 'identity')
  const { body } = init
  if (body instanceof URLSearchParams) {
    if (!headers.has('content-type')) {
      headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8')
    }
    return { body: body.toString(), headers }
  }
  if (body === undefined || body === null) return { body: undefined, headers }
  if (typeof body === 'string' || body instanceof Uint8Array) return { body, headers }
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
