/**
 * The `fetch` of one HTTP session, which sees what the SDK does not tell: how many bytes an answer has, when the
 * answer to a call ends without a result (the SDK then waits in silence for its timeout), and `Retry-After`.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { AllowedHost } from '../lib/allowed-hosts.ts'
import { createGuardedFetch } from '../lib/guarded-fetch.ts'
import type { GuardedFetch } from '../lib/guarded-fetch.ts'
import type { SendWindow } from '../lib/send-window.ts'
import { withResolvers } from '../lib/with-resolvers.ts'
import { AnswerWork } from './answer-work.ts'
import { limitBody, type BodyLimit } from './body-limit.ts'
import { LocalFailure } from './errors.ts'
import type { LocalFailureKind } from './errors.ts'
import { readResponse, readText, type Reading } from './reader.ts'
import { ReadingTurn } from './reading-turn.ts'
import { parseRetryAfterMs } from './retry-after.ts'
import { inStretch } from './stretch.ts'
import { isFields, messageIn, type Awaited } from './tolerant-messages.ts'

export interface HttpLink {
  fetch: FetchLike
  /** Rejects when no result of the call can come any more. Never resolves. */
  lost: Promise<never>
  fail(kind: LocalFailureKind): void
  /** The request under way has its answer; the next one counts for itself. */
  answered(): void
  /** The stream carries event ids: the SDK resumes it, so its end is not the end of the call. */
  markResumable(): void
  retryAfterMs(): number | undefined
  /** Of an answer that is an error of JSON-RPC as well. */
  status(): number | undefined
  /** An answer has come, and was not read yet. */
  readonly hasUnread: boolean
  close(): void
}

export interface HttpLinkOptions {
  allowedHosts: readonly AllowedHost[]
  maxResultBytes: number
  organization: string
  /** Of the write that is called over this session; null for a reading or a listing. */
  window: SendWindow | null
}

/** For answers other than that of a call or a listing. */
const MAX_CONTROL_BYTES = 1024 * 1024
/** Of an error page only the beginning is wanted. */
const ERROR_LIMIT: BodyLimit = { maxBytes: 16 * 1024, onTooLarge: () => undefined }
/** The SDK parses the last event after the body has ended. */
const SETTLE_MS = 100
/** The wait that a stream asks for is the server's word: none, or one so long that a timer of Node does not wait at all. */
const RESUME_INTERVAL_MS = 250
/** Of our answers to requests of the server that it has not taken; each holds a connection. */
const MAX_REPLIES = 4
const AWAITED_METHODS = new Set<string>(['initialize', 'tools/call', 'tools/list'])

export function createHttpLink(options: HttpLinkOptions): HttpLink {
  const { promise: lost, reject } = withResolvers<never>()
  lost.catch(() => {})
  const state = createState(options, reject)
  return {
    fetch: (url, init) => watchedFetch(state, url, init ?? {}),
    lost,
    fail: (kind) => state.reject(new LocalFailure(kind)),
    answered: () => haveAnswer(state),
    markResumable: () => {
      state.resumable = true
    },
    retryAfterMs: () => state.retryAfterMs,
    status: () => state.status,
    get hasUnread() {
      return state.turn.hasUnread
    },
    close: () => {
      state.turn.close()
      state.guarded.close()
    },
  }
}

function createState(options: HttpLinkOptions, reject: (failure: LocalFailure) => void): LinkState {
  const state: LinkState = {
    maxResultBytes: options.maxResultBytes,
    window: options.window,
    initializedAt: undefined,
    // Kept alive within the session only: a connection that idled longer may be dead when the call is written to it,
    // and then nobody knows whether the call was taken.
    guarded: createGuardedFetch({
      allowedHosts: options.allowedHosts,
      keepAlive: true,
      onExcess: (most) => state.reject(tooLarge(most)),
      inTurn: (read) => inStretch(options.organization, read),
    }),
    lost: false,
    reject: (failure) => {
      state.lost = true
      reject(failure)
    },
    answers: 0,
    resumable: false,
    resumedAtMs: -Infinity,
    retryAfterMs: undefined,
    awaited: new Map(),
    status: undefined,
    isInitialized: false,
    turn: new ReadingTurn(options.organization),
    work: new AnswerWork(),
    replies: 0,
  }
  if (options.window) state.turn.expect(options.window.deadlineAtMs)
  return state
}

interface LinkState {
  maxResultBytes: number
  window: SendWindow | null
  /** Where `initialize` was answered: the SDK follows redirects within the server. */
  initializedAt: string | URL | undefined
  guarded: GuardedFetch
  lost: boolean
  reject: (failure: LocalFailure) => void
  answers: number
  resumable: boolean
  /** By the monotonic clock. */
  resumedAtMs: number
  retryAfterMs: number | undefined
  status: number | undefined
  /** The request under way. */
  awaited: Awaited
  isInitialized: boolean
  turn: ReadingTurn
  /** Of the request under way. */
  work: AnswerWork
  replies: number
}

function haveAnswer(state: LinkState): void {
  state.answers += 1
  state.work.beginAnew()
}

async function watchedFetch(state: LinkState, url: string | URL, init: RequestInit): Promise<Response> {
  const resumes = new Headers(init.headers).has('last-event-id')
  // The optional stream for messages outside of a call: nothing in it is for us, and it costs a connection per call.
  if (init.method === 'GET' && !resumes) return new Response(null, { status: 405 })
  if (resumes) await untilNextResumption(state, init)
  const { method = '', id } = messageIn(init.body)
  const isAwaited = AWAITED_METHODS.has(method)
  // Whoever was told that nothing was sent must stay right.
  if (state.lost && isAwaited) throw new LocalFailure('interrupted')
  // MCP forbids to cancel it; the SDK does so all the same when the time is over.
  if (method === 'notifications/cancelled' && !state.isInitialized) return new Response(null, { status: 202 })
  // Sent by the SDK between the answer to initialize and the end of `connect`.
  if (method === 'notifications/initialized') {
    state.isInitialized = true
    haveAnswer(state)
  }
  if (method === 'initialize') state.initializedAt = url
  if (isAwaited && id !== undefined) state.awaited = new Map([[id, method]])
  // Taken now: a stream may end long after its answer was read.
  const answersBefore = state.answers
  if (init.method === 'POST' && method === '') return reply(state, url, init)
  const response = await (method === 'tools/call' && state.window
    ? sendOnce(state, url, init, state.window)
    : state.guarded(url, init))
  state.retryAfterMs = parseRetryAfterMs(response.headers.get('retry-after'))
  return handedOn(state, response, {
    method,
    resumes,
    onEnd: () => failWithoutAnswer(state, answersBefore),
  })
}

/** To a server that asks more than it takes answers nothing is sent. */
async function reply(state: LinkState, url: string | URL, init: RequestInit): Promise<Response> {
  if (state.replies >= MAX_REPLIES) return new Response(null, { status: 202 })
  state.replies += 1
  try {
    return limitBody(await state.guarded(url, init), ERROR_LIMIT)
  } finally {
    state.replies -= 1
  }
}

interface Asked {
  method: string
  /** A stream goes on that was cut off before. */
  resumes: boolean
  onEnd: () => void
}

function handedOn(
  state: LinkState,
  response: Response,
  { method, resumes, onEnd }: Asked,
): Response | Promise<Response> {
  if (!response.ok) {
    // The SDK takes 405 for "no such stream" and would wait on.
    if (resumes && response.status === 405) state.reject(new LocalFailure('interrupted'))
    const page = limitBody(response, ERROR_LIMIT)
    return method === 'tools/call' && response.status === 500 ? ownError(state, page) : page
  }
  if (resumes) {
    const limit = resultLimit(state)
    return readResponse(limitBody(response, limit), limit)
  }
  if (AWAITED_METHODS.has(method)) return answerTo(state, method, response, onEnd)
  return limitBody(response, { ...controlLimit(state), work: { bytes: 0 } })
}

/** Who answers 500 with an error of JSON-RPC is the server itself, and done with the call; a proxy knows no such thing. */
async function ownError(state: LinkState, page: Response): Promise<Response> {
  const text = await page.text()
  const read = await readText(text, controlLimit(state))
  const { status, statusText, headers } = page
  // A message that nobody of us waits for is read as nothing.
  const message: unknown = read ? JSON.parse(read) : null
  if (!isFields(message) || !Object.hasOwn(message, 'error'))
    return new Response(text, { status, statusText, headers })
  state.status = status
  return new Response(read, { headers: { 'content-type': 'application/json' } })
}

function answerTo(
  state: LinkState,
  method: string,
  response: Response,
  onEnd: () => void,
): Promise<Response> | Response {
  const limit = method === 'initialize' ? controlLimit(state) : resultLimit(state)
  if (response.body === null) onEnd()
  const limited = limitBody(response, { ...limit, onEnd })
  // Accepted, and nothing more: the SDK reads no body of it.
  return response.status === 202 ? limited : readResponse(limited, limit)
}

async function untilNextResumption(state: LinkState, { signal }: RequestInit): Promise<void> {
  const now = performance.now()
  const resumesAtMs = Math.max(now, state.resumedAtMs + RESUME_INTERVAL_MS)
  state.resumedAtMs = resumesAtMs
  await sleep(resumesAtMs - now, undefined, signal ? { signal } : {})
}

/**
 * The call of a write leaves once, and only while its window is open. To be sent elsewhere is an answer to it like any
 * other, which the SDK must not follow; that is why it goes to where `initialize` has led.
 */
async function sendOnce(
  state: LinkState,
  url: string | URL,
  init: RequestInit,
  window: SendWindow,
): Promise<Response> {
  const response = await state.guarded(state.initializedAt ?? url, init, () => window.pass())
  if (response.status < 300 || response.status >= 400) return response
  await response.body?.cancel()
  throw new StreamableHTTPError(response.status, 'the server sends us elsewhere with a write')
}

function resultLimit(state: LinkState): ReadLimit {
  return {
    awaited: state.awaited,
    turn: state.turn,
    work: state.work,
    maxBytes: state.maxResultBytes,
    onTooLarge: (most) => {
      const failure = tooLarge(most)
      state.reject(failure)
      return failure
    },
  }
}

const tooLarge = (most: string): LocalFailure =>
  new LocalFailure('result_too_large', `the answer has more than ${most}`)

function controlLimit({ awaited, turn, work }: LinkState): ReadLimit {
  return {
    awaited,
    turn,
    work,
    maxBytes: MAX_CONTROL_BYTES,
    onTooLarge: () => new Error('the server sends more than we accept outside of a result'),
  }
}

function failWithoutAnswer(state: LinkState, answersBefore: number): void {
  setTimeout(() => {
    if (state.turn.hasUnread) failWithoutAnswer(state, answersBefore)
    else if (state.answers === answersBefore && !state.resumable)
      state.reject(new LocalFailure('interrupted'))
  }, SETTLE_MS).unref()
}

type ReadLimit = BodyLimit & Reading
