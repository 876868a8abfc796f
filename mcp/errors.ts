/**
 * The one classification of what can go wrong with an MCP call: a code of the error table, and whether the server may
 * have acted. It goes by our own state (phase, deadline, closed) and by HTTP status; the numbers of the SDK's local
 * errors collide with those that servers send, so they decide nothing.
 */
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpError } from '@modelcontextprotocol/sdk/types.js'
import { AddressRefusedError } from '../lib/guarded-lookup.ts'
import { storableText } from '../lib/storable.ts'
import { CodedError } from '../schemas/errors.ts'
import type { ErrorCode } from '../schemas/errors.ts'

/** `yes`: the server has taken it up, not that it succeeded. `unknown`: it may have. `no`: surely not. */
export type Sent = 'no' | 'yes' | 'unknown'

export interface McpFailure {
  code: ErrorCode
  sent: Sent
  message: string
  retryAfterMs?: number
  /** Stopped by the caller's own signal. */
  cancelled?: true
  /** The server has forgotten our session and therefore did nothing: a new session may send the call again. */
  sessionLost?: true
}

export interface FailureContext {
  /** Until `initialize` is answered nothing of the call itself has left us. */
  phase: 'connect' | 'call'
  connectionClosed?: boolean
  hasSession?: boolean
  retryAfterMs?: number | undefined
  /** The last words of a child process. */
  stderrTail?: string
  /** Texts that must not appear in a message. */
  secrets?: string[]
}

export class McpCallError extends CodedError {
  readonly sent: Sent
  readonly cancelled: boolean
  readonly sessionLost: boolean

  constructor(failure: McpFailure, cause?: unknown) {
    const delay = failure.retryAfterMs === undefined ? {} : { nextRetryDelayMs: failure.retryAfterMs }
    super(failure.code, failure.message, { cause, ...delay })
    this.name = 'McpCallError'
    this.sent = failure.sent
    this.cancelled = failure.cancelled ?? false
    this.sessionLost = failure.sessionLost ?? false
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
const MAX_SERVER_TEXT_LENGTH = 500
const MIN_SECRET_LENGTH = 4

const LOCAL_FAILURES = {
  deadline: { code: 'CALL_TIMEOUT', sent: 'unknown', message: 'no answer before the deadline' },
  cancelled: { code: 'CANCELLED', sent: 'unknown', message: 'the call was cancelled' },
  result_too_large: { code: 'RESULT_TOO_LARGE', sent: 'yes', message: 'the answer is too large' },
  result_invalid: { code: 'RESULT_INVALID', sent: 'yes', message: 'the answer is not a result of MCP' },
  interrupted: { code: 'CALL_INTERRUPTED', sent: 'unknown', message: 'the answer ended before the result' },
  closed: { code: 'CONNECTION_NOT_READY', sent: 'no', message: 'the MCP client is closed' },
} as const satisfies Record<string, { code: ErrorCode; sent: Sent; message: string }>

export function toMcpCallError(error: unknown, context: FailureContext): McpCallError {
  return error instanceof McpCallError ? error : new McpCallError(classifyMcpError(error, context), error)
}

export function classifyMcpError(error: unknown, context: FailureContext): McpFailure {
  const failure = classify(error, context)
  const retryAfter = context.retryAfterMs === undefined ? {} : { retryAfterMs: context.retryAfterMs }
  const whole = { ...retryAfter, ...failure, message: describe(error, context) }
  return context.phase === 'connect' ? { ...whole, sent: 'no' } : whole
}

type Classified = Omit<McpFailure, 'message'>

function classify(error: unknown, context: FailureContext): Classified {
  if (error instanceof LocalFailure) return classifyLocal(error, context)
  if (error instanceof AddressRefusedError) return { code: 'ADDRESS_NOT_ALLOWED', sent: 'no' }
  if (error instanceof UnauthorizedError) return { code: 'CREDENTIALS_REFUSED', sent: 'no' }
  if (error instanceof StreamableHTTPError) return classifyStatus(error.code ?? -1, context)
  if (isSpawnError(error)) return { code: 'COMMAND_NOT_FOUND', sent: 'no' }
  if (neverConnected(error)) return { code: 'CONNECTION_NOT_READY', sent: 'no' }
  if (error instanceof McpError && context.connectionClosed !== true) return classifyRpcCode(error.code)
  if (context.phase === 'connect') return { code: 'CONNECTION_NOT_READY', sent: 'no' }
  if (isShapeError(error)) return { code: 'RESULT_INVALID', sent: 'yes' }
  return { code: 'CALL_INTERRUPTED', sent: 'unknown' }
}

function classifyLocal({ kind }: LocalFailure, { phase }: FailureContext): Classified {
  const { code, sent } = LOCAL_FAILURES[kind]
  if (kind === 'interrupted' && phase === 'connect') return { code: 'CONNECTION_NOT_READY', sent: 'no' }
  return { code, sent, ...(kind === 'cancelled' ? { cancelled: true } : {}) }
}

function classifyStatus(status: number, context: FailureContext): Classified {
  if (status === 401 || status === 403) return { code: 'CREDENTIALS_REFUSED', sent: 'no' }
  if (status === 429) return { code: 'CALL_THROTTLED', sent: 'no' }
  if (status >= 300 && status < 400) return { code: 'CALL_REFUSED', sent: 'no' }
  if (context.phase === 'connect') return { code: 'CONNECTION_NOT_READY', sent: 'no' }
  if (status === 404 && context.hasSession === true) {
    return { code: 'CONNECTION_NOT_READY', sent: 'no', sessionLost: true }
  }
  // 408 is a server that stopped waiting for the request: it may have begun.
  if (status >= 400 && status < 500 && status !== 408) return { code: 'CALL_REFUSED', sent: 'no' }
  if (status === -1) return { code: 'RESULT_INVALID', sent: 'unknown' }
  return { code: 'CALL_INTERRUPTED', sent: 'unknown' }
}

/** Every other code, -32603 first of all, is also what servers say after having acted. */
function classifyRpcCode(code: number): Classified {
  if (REFUSING_RPC_CODES.has(code)) return { code: 'CALL_REFUSED', sent: 'no' }
  return { code: 'TOOL_FAILED', sent: 'unknown' }
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
  const texts = systemErrors(error).map(({ message }) => message)
  const stated = texts.filter((text) => text !== '').join(': ') || String(error)
  const secrets = context.secrets ?? []
  const tail = context.connectionClosed === true ? cleanText(context.stderrTail ?? '', secrets, 'end') : ''
  return cleanText(stated, secrets) + (tail === '' ? '' : `; the server process last wrote: ${tail}`)
}

/** A foreign text made fit for a message: one line, no control characters, no secrets of ours, bounded. */
export function cleanText(text: string, secrets: string[] = [], keep: 'start' | 'end' = 'start'): string {
  const hidden = secrets
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH)
    // The longest first, or a part of it would stay.
    .toSorted((one, other) => other.length - one.length)
    .reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text)
  const line = hidden.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  if (line.length <= MAX_SERVER_TEXT_LENGTH) return storableText(line)
  // Storable after the cut, which may leave half of a pair.
  return keep === 'start'
    ? `${storableText(line.slice(0, MAX_SERVER_TEXT_LENGTH))}…`
    : `…${storableText(line.slice(-MAX_SERVER_TEXT_LENGTH))}`
}
