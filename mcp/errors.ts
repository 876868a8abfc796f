/**
 * The one classification of what can go wrong with an MCP call: a code of the error table, and whether the server may
 * have acted. That nothing was sent follows from our own state alone (phase, window) and never from an error; the numbers
 * of the SDK's local errors collide with those that servers send, so they decide nothing.
 */
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpError } from '@modelcontextprotocol/sdk/types.js'
import { AddressRefusedError } from '../lib/guarded-lookup.ts'
import { hiddenPart } from '../lib/hidden-secrets.ts'
import type { SendWindow } from '../lib/send-window.ts'
import { storableText } from '../lib/storable.ts'
import { CodedError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'

/**
 * `no`: nothing of the call has left us. `refused`: it has, and the server, or what stands before it, says that it has
 * done nothing, which is only its word. `yes`: the server has taken it up, not that it succeeded. `unknown`: it may have.
 */
export type Sent = 'no' | 'refused' | 'yes' | 'unknown'

export interface McpFailure {
  code: ErrorCode
  sent: Sent
  message: string
  retryAfterMs?: number
  /** Stopped by the caller's own signal. */
  cancelled?: true
  /** The server says that it has forgotten our session: what may be sent twice may be sent over a new one. */
  sessionLost?: true
  /** The HTTP status or JSON-RPC code of the error that the call was answered with. */
  answer?: number
  /** The HTTP status that such an error of JSON-RPC came with, if it was no 200. */
  status?: number
}

export interface FailureContext {
  /** Until `initialize` is answered nothing of the call itself has left us. */
  phase: 'connect' | 'call'
  /** Of a write: whether its call has left us. */
  window?: SendWindow | null
  connectionClosed?: boolean
  hasSession?: boolean
  retryAfterMs?: number | undefined
  /** Of HTTP, where the answer is an error of JSON-RPC as well. */
  status?: number | undefined
  /** The last words of a child process. */
  stderrTail?: string
  /** Texts that must not appear in a message. */
  secrets?: string[]
}

export class McpCallError extends CodedError {
  readonly sent: Sent
  readonly cancelled: boolean
  readonly sessionLost: boolean
  readonly answer: number | undefined
  readonly status: number | undefined

  constructor(failure: McpFailure, cause?: unknown) {
    const delay = failure.retryAfterMs === undefined ? {} : { nextRetryDelayMs: failure.retryAfterMs }
    super(failure.code, failure.message, { cause, ...delay })
    this.name = 'McpCallError'
    this.sent = failure.sent
    this.cancelled = failure.cancelled ?? false
    this.sessionLost = failure.sessionLost ?? false
    this.answer = failure.answer
    this.status = failure.status
  }
}

export type LocalFailureKind = keyof typeof LOCAL_FAILURES

/** What we noticed ourselves, before or instead of the SDK. */
export class LocalFailure extends Error {
  readonly kind: LocalFailureKind

  constructor(kind: LocalFailureKind, detail?: string) {
    super(detail ?? LOCAL_FAILURES[kind].message)
    this.name = 'LocalFailure'
    this.kind = kind
  }
}

/** Codes with which a server says that it has not begun: parse, request, method, parameters, header, capability, version, URL needed. */
const REFUSING_RPC_CODES = new Set([-32700, -32600, -32601, -32602, -32020, -32021, -32022, -32042])
/** Its address is in the message by then. */
const URL_NEEDED = -32042
const MAX_SERVER_TEXT_LENGTH = 500
/** Pages begin with much that shows nothing. */
const MAX_LOOKED_AT_LENGTH = 8 * 1024

const LOCAL_FAILURES = {
  deadline: { code: 'CALL_TIMEOUT', sent: 'unknown', message: 'no answer before the deadline' },
  cancelled: { code: 'CANCELLED', sent: 'unknown', message: 'the call was cancelled' },
  result_too_large: { code: 'RESULT_TOO_LARGE', sent: 'yes', message: 'the answer is too large' },
  result_invalid: { code: 'RESULT_INVALID', sent: 'yes', message: 'the answer is not a result of MCP' },
  listing_too_large: { code: 'LISTING_TOO_LARGE', sent: 'yes', message: 'the list of tools is too large' },
  interrupted: { code: 'CALL_INTERRUPTED', sent: 'unknown', message: 'the answer ended before the result' },
  not_reading: {
    code: 'CONNECTION_NOT_READY',
    sent: 'unknown',
    message: 'the server process does not read what was sent to it before',
  },
  not_ours: {
    code: 'COMMAND_NOT_FOUND',
    sent: 'unknown',
    message:
      'the program runs under an account whose programs this worker may not end, so it gets no write; CAP_KILL is the right to end them',
  },
  out_of_reach: {
    code: 'COMMAND_NOT_FOUND',
    sent: 'unknown',
    message:
      'what reads the input of the program has left its group of processes, where this worker could not end it in time, so it gets no write; name the server itself in the entry, without setsid or the like',
  },
  closed: { code: 'CONNECTION_NOT_READY', sent: 'unknown', message: 'the MCP client is closed' },
} as const satisfies Record<string, { code: ErrorCode; sent: Sent; message: string }>

export function toMcpCallError(error: unknown, context: FailureContext): McpCallError {
  return error instanceof McpCallError ? error : new McpCallError(classifyMcpError(error, context), error)
}

export function classifyMcpError(error: unknown, context: FailureContext): McpFailure {
  const failure = classify(error, context)
  const retryAfter = context.retryAfterMs === undefined ? {} : { retryAfterMs: context.retryAfterMs }
  const whole = { ...retryAfter, ...failure, message: describe(error, context) }
  const hasLeft = context.phase === 'call' && context.window?.hasPassed !== false
  return hasLeft ? whole : { ...whole, sent: 'no' }
}

/** As far as the error itself tells: never that nothing was sent. */
type Classified = Omit<McpFailure, 'message' | 'sent'> & { sent: Exclude<Sent, 'no'> }

function classify(error: unknown, context: FailureContext): Classified {
  if (error instanceof LocalFailure) return classifyLocal(error, context)
  if (error instanceof CodedError) return { code: error.code, sent: 'unknown' }
  if (error instanceof AddressRefusedError) return { code: 'ADDRESS_NOT_ALLOWED', sent: 'unknown' }
  if (error instanceof UnauthorizedError) return { code: 'CREDENTIALS_REFUSED', sent: 'refused' }
  if (error instanceof StreamableHTTPError) return classifyStatus(error.code ?? -1, context)
  if (isSpawnError(error)) return { code: 'COMMAND_NOT_FOUND', sent: 'unknown' }
  if (neverConnected(error)) return { code: 'CONNECTION_NOT_READY', sent: 'unknown' }
  if (error instanceof McpError && context.connectionClosed !== true)
    return { ...classifyRpcCode(error.code), ...(context.status ? { status: context.status } : {}) }
  if (context.phase === 'connect') return { code: 'CONNECTION_NOT_READY', sent: 'unknown' }
  if (isShapeError(error)) return { code: 'RESULT_INVALID', sent: 'yes' }
  return { code: 'CALL_INTERRUPTED', sent: 'unknown' }
}

function classifyLocal({ kind }: LocalFailure, { phase }: FailureContext): Classified {
  const { code, sent } = LOCAL_FAILURES[kind]
  if (kind === 'interrupted' && phase === 'connect') return { code: 'CONNECTION_NOT_READY', sent }
  return { code, sent, ...(kind === 'cancelled' ? { cancelled: true } : {}) }
}

function classifyStatus(status: number, context: FailureContext): Classified {
  if (status === -1) return { code: resultCodeOf(context), sent: 'unknown' }
  const answered = { answer: status, sent: 'refused' } as const
  if (status === 401 || status === 403) return { ...answered, code: 'CREDENTIALS_REFUSED' }
  if (status === 429) return { ...answered, code: 'CALL_THROTTLED' }
  if (status >= 300 && status < 400) return { ...answered, code: 'CALL_REFUSED' }
  if (context.phase === 'connect') return { ...answered, code: 'CONNECTION_NOT_READY' }
  if (status === 404 && context.hasSession === true && !context.window) {
    return { ...answered, code: 'CONNECTION_NOT_READY', sessionLost: true }
  }
  // 408 is a server that stopped waiting for the request: it may have begun.
  if (status >= 400 && status < 500 && status !== 408) return { ...answered, code: 'CALL_REFUSED' }
  return { ...answered, code: 'CALL_INTERRUPTED', sent: 'unknown' }
}

function resultCodeOf({ phase }: FailureContext): ErrorCode {
  return phase === 'connect' ? 'CONNECTION_NOT_READY' : 'RESULT_INVALID'
}

/** Every other code, -32603 first of all, is also what servers say after having acted. */
function classifyRpcCode(answer: number): Classified {
  if (REFUSING_RPC_CODES.has(answer)) return { code: 'CALL_REFUSED', sent: 'refused', answer }
  return { code: 'TOOL_FAILED', sent: 'unknown', answer }
}

function isSpawnError(error: unknown): boolean {
  return systemErrors(error).some(({ syscall }) => syscall?.startsWith('spawn') === true)
}

/** The SDK answers 'Not connected' before it writes anything. */
function neverConnected(error: unknown): boolean {
  if (error instanceof Error && error.message === 'Not connected') return true
  return systemErrors(error).some(({ syscall }) => syscall === 'connect' || syscall === 'getaddrinfo')
}

function isShapeError(error: unknown): boolean {
  return (
    error instanceof Error &&
    (error.name === '$ZodError' || error.name === 'ZodError' || error.name === 'SyntaxError')
  )
}

/** The error, its causes, and the attempts per address that Node bundles in an AggregateError. */
function systemErrors(error: unknown): NodeJS.ErrnoException[] {
  if (!(error instanceof Error)) return []
  const inner: unknown[] = error instanceof AggregateError ? error.errors : []
  return [error, ...inner.flatMap(systemErrors), ...systemErrors(error.cause)]
}

function describe(error: unknown, context: FailureContext): string {
  const texts = systemErrors(error).map(statedBy)
  const stated = texts.filter((text) => text !== '').join(': ') || String(error)
  const secrets = context.secrets ?? []
  const tail = context.connectionClosed === true ? cleanText(context.stderrTail ?? '', secrets, 'end') : ''
  return cleanText(stated, secrets) + (tail === '' ? '' : `; the server process last wrote: ${tail}`)
}

/** The words of a server are in the data of its error as often as in the message. */
function statedBy(error: Error): string {
  const { issues } = error as { issues?: unknown }
  if (isShapeError(error) && Array.isArray(issues)) return `it is no message of MCP${placesOf(issues)}`
  if (error instanceof StreamableHTTPError && (error.code ?? -1) > 0) return pageOf(error)
  if (!(error instanceof McpError) || isEmpty(error.data) || error.code === URL_NEEDED) return error.message
  const data = typeof error.data === 'string' ? error.data : JSON.stringify(error.data)
  return error.message.includes(data) ? error.message : `${error.message} (${data})`
}

/** The status, and what the page says in the place of the words that the SDK puts before it. */
function pageOf({ code, message }: StreamableHTTPError): string {
  const page = message.replace(/^Streamable HTTP error: (?:Error POSTing to endpoint: )?/, '').trim()
  return `HTTP ${code}${page === '' || page === 'null' ? '' : `: ${page}`}`
}

/** What a validator has found, without its own form. */
function placesOf(issues: readonly unknown[]): string {
  const [first] = issues as { path?: PropertyKey[]; message?: string }[]
  return first
    ? `: ${first.path?.map(String).join('.') || 'the whole'}: ${first.message ?? 'does not fit'}`
    : ''
}

function isEmpty(data: unknown): boolean {
  return data === undefined || data === null || data === '' || JSON.stringify(data) === '{}'
}

/** A foreign text made fit for a message: one line, no control characters, no secrets of ours, bounded. */
export function cleanText(text: string, secrets: string[] = [], keep: 'start' | 'end' = 'start'): string {
  const line = hiddenPart(text, { secrets, most: MAX_LOOKED_AT_LENGTH, keep })
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
  if (line.length <= MAX_SERVER_TEXT_LENGTH) return storableText(line)
  // Storable after the cut, which may leave half of a pair.
  return keep === 'start'
    ? `${storableText(line.slice(0, MAX_SERVER_TEXT_LENGTH))}…`
    : `…${storableText(line.slice(-MAX_SERVER_TEXT_LENGTH))}`
}
