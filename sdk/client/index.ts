/**
 * A typed client of the API: one method for each operation of the table. It sends an Idempotency-Key with every POST
 * and tries again a bounded number of times where that cannot do a thing twice.
 */
import { OPERATIONS, type OperationName, type Operations } from '../../schemas/operations.ts'
import type { Operation, OperationInput, OperationOutput } from '../../schemas/operations/operation.ts'
import { ProblemSchema, type Problem, type ProblemPlace } from '../../schemas/problem.ts'
import { delayMs, MAX_ATTEMPTS, retryAfterOf, sleep, within } from '../retry.ts'
import { jsonText } from '../json-text.ts'

export interface ClientOptions {
  /** Such as `http://127.0.0.1:8700`. */
  baseUrl: string
  apiKey: string
  fetch?: typeof globalThis.fetch
  /** For one attempt. */
  timeoutMs?: number
}

export interface CallOptions {
  /** Fresh for each call unless given; attempts of one call share it. */
  idempotencyKey?: string
  /** For one attempt; that of the client unless given. */
  timeoutMs?: number
  /** Ends the call, also while it waits for its next attempt; then `signal.reason` is thrown. */
  signal?: AbortSignal
}

type Arguments<Op extends Operation> =
  Record<never, never> extends OperationInput<Op>
    ? [input?: OperationInput<Op>, options?: CallOptions]
    : [input: OperationInput<Op>, options?: CallOptions]

export type Client = {
  [Name in OperationName]: (
    ...args: Arguments<Operations[Name]>
  ) => Promise<OperationOutput<Operations[Name]>>
}

/** What the API refused, or that it could not be reached (`status` 0, code `UNAVAILABLE`). */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly hint: string
  readonly errors: ProblemPlace[]
  readonly requestId: string | undefined

  constructor(problem: Omit<Problem, 'type' | 'request_id'> & { request_id?: string }, cause?: unknown) {
    super(`${problem.title} ${problem.detail}`, cause === undefined ? undefined : { cause })
    this.name = 'ApiError'
    this.status = problem.status
    this.code = problem.code
    this.detail = problem.detail
    this.hint = problem.hint
    this.errors = problem.errors ?? []
    this.requestId = problem.request_id
  }
}

const DEFAULT_TIMEOUT_MS = 60_000

export { followRun, itemsOf, receiptPages, receiptsOf, type FollowOptions } from './follow.ts'

export function createClient(options: ClientOptions): Client {
  const methods = Object.values(OPERATIONS).map((operation) => [
    operation.name,
    (input: Record<string, unknown> = {}, call: CallOptions = {}) =>
      callOperation(options, operation, input, call),
  ])
  return Object.fromEntries(methods) as Client
}

async function callOperation(
  options: ClientOptions,
  operation: Operation,
  input: Record<string, unknown>,
  call: CallOptions,
): Promise<unknown> {
  const url = urlOf(options.baseUrl, operation, input)
  const init = requestOf(options, operation, input, call)
  for (let attempt = 1; ; attempt++) {
    const outcome = await attemptOnce(options, { url, init, call })
    if (outcome.kind === 'success') return operation.output.parse(outcome.value)
    call.signal?.throwIfAborted()
    if (attempt >= MAX_ATTEMPTS || !mayTryAgain(operation, outcome.error)) throw outcome.error
    await sleep(outcome.retryAfterMs ?? delayMs(attempt), call.signal)
  }
}

type Outcome =
  { kind: 'success'; value: unknown } | { kind: 'failure'; error: ApiError; retryAfterMs?: number }

async function attemptOnce(
  options: ClientOptions,
  { url, init, call }: { url: URL; init: RequestInit; call: CallOptions },
): Promise<Outcome> {
  const { signal } = call
  signal?.throwIfAborted()
  const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  const { fetch = globalThis.fetch } = options
  try {
    return await within({ timeoutMs, signal }, async (ended) => {
      const response = await fetch(url, { ...init, signal: ended })
      const text = await response.text()
      if (response.ok) return { kind: 'success', value: JSON.parse(text) }
      return { kind: 'failure', error: refusalOf(response, text), ...retryAfterOf(response) }
    })
  } catch (error) {
    return { kind: 'failure', error: unreachable(url, error) }
  }
}

/** Of the API itself. What it says of somebody else's server, as CONNECTION_NOT_READY does, is an answer. */
const PASSING_CODES: ReadonlySet<string> = new Set(['UNAVAILABLE', 'ORGANIZATION_BUSY'])

/** An operation that is not idempotent is sent again only if the API surely did not look at it. */
function mayTryAgain(operation: Operation, { status, code }: ApiError): boolean {
  if (status === 429) return true
  return operation.hints.idempotent && (status === 0 || (status === 503 && PASSING_CODES.has(code)))
}

function urlOf(baseUrl: string, operation: Operation, input: Record<string, unknown>): URL {
  const path = operation.path.replace(/:([a-z_]+)/g, (_, name: string) => {
    const value = input[name]
    if (typeof value !== 'string' || value === '') throw new TypeError(`${operation.name} needs \`${name}\``)
    return encodeURIComponent(value)
  })
  const url = new URL(`${baseUrl.replace(/\/+$/, '')}${path}`)
  for (const name of Object.keys(operation.query?.shape ?? {})) {
    const value = input[name]
    if (typeof value === 'string' || typeof value === 'number') url.searchParams.set(name, String(value))
  }
  return url
}

function requestOf(
  options: ClientOptions,
  operation: Operation,
  input: Record<string, unknown>,
  call: CallOptions,
): RequestInit {
  const headers: Record<string, string> = {
    authorization: `Bearer ${options.apiKey}`,
    accept: 'application/json, application/problem+json',
  }
  if (operation.method === 'POST') headers['idempotency-key'] = call.idempotencyKey ?? crypto.randomUUID()
  if (!operation.body) return { method: operation.method, headers }
  const names = Object.keys(operation.body.shape).filter((name) => input[name] !== undefined)
  headers['content-type'] = 'application/json'
  return {
    method: operation.method,
    headers,
    body: jsonText(Object.fromEntries(names.map((name) => [name, input[name]]))),
  }
}

function refusalOf(response: Response, text: string): ApiError {
  const problem = ProblemSchema.safeParse(parseJson(text))
  if (problem.success) return new ApiError(problem.data)
  return new ApiError({
    title: `The server answered ${response.status}.`,
    status: response.status,
    code: response.status === 503 ? 'UNAVAILABLE' : 'INTERNAL',
    detail: text.slice(0, 200),
    hint: 'Check that the address is that of a Countersign API.',
  })
}

function unreachable(url: URL, cause: unknown): ApiError {
  const problem = {
    title: 'The API cannot be reached.',
    status: 0,
    code: 'UNAVAILABLE',
    detail: `No answer from ${url.origin}.`,
    hint: 'Start the API, or correct its address.',
  }
  return new ApiError(problem, cause)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
