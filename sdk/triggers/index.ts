/**
 * For authors of MCP servers: sends events to the trigger callback. An event is accepted once it is stored there; until
 * then it is sent again, with the same key, so that it starts nothing twice.
 */
import { delayMs, MAX_ATTEMPTS, retryAfterOf, sleep, within } from '../retry.ts'
import { jsonText } from '../json-text.ts'

export interface TriggerOptions {
  /** As the host gave it, such as `http://127.0.0.1:8700/api/trigger-callback`. */
  callbackUrl: string
  /** As the host gave it; it belongs to one connection. */
  callbackToken: string
  fetch?: typeof globalThis.fetch
  /** For one attempt. */
  timeoutMs?: number
}

export interface TriggerEvent {
  /** Such as `invoice.disputed`. */
  type: string
  data?: Record<string, unknown>
  /**
   * What makes it this event, such as its id in your system: sent again with the same key, it starts nothing. It comes
   * before the `dedupe` of triggers, so it must not be made anew for an event that is sent again.
   */
  idempotencyKey: string
}

export interface SendOptions {
  /** Ends the sending, also while it waits for its next attempt; then `signal.reason` is thrown. */
  signal?: AbortSignal
}

export interface TriggerSender {
  /** Resolves when the event is stored. Throws TriggerError. */
  send: (event: TriggerEvent, options?: SendOptions) => Promise<void>
}

/** The event was not accepted: `status` says why, and is 0 if there was no answer. */
export class TriggerError extends Error {
  readonly status: number

  constructor(status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'TriggerError'
    this.status = status
  }
}

const DEFAULT_TIMEOUT_MS = 10_000

export function createTriggerSender(options: TriggerOptions): TriggerSender {
  return { send: (event, { signal } = {}) => send(options, event, signal) }
}

async function send(
  options: TriggerOptions,
  { type, data = {}, idempotencyKey }: TriggerEvent,
  signal: AbortSignal | undefined,
): Promise<void> {
  const init = {
    method: 'POST',
    headers: {
      authorization: `Bearer ${options.callbackToken}`,
      'content-type': 'application/json',
      'idempotency-key': idempotencyKey,
    },
    body: jsonText({ type, data }),
  }
  for (let attempt = 1; ; attempt++) {
    const { refusal, retryAfterMs } = await attemptOnce(options, init, signal)
    if (!refusal) return
    signal?.throwIfAborted()
    if (attempt >= MAX_ATTEMPTS || !mayBeAcceptedLater(refusal.status)) throw refusal
    await sleep(retryAfterMs ?? delayMs(attempt), signal)
  }
}

async function attemptOnce(
  { callbackUrl, fetch = globalThis.fetch, timeoutMs = DEFAULT_TIMEOUT_MS }: TriggerOptions,
  init: RequestInit,
  signal: AbortSignal | undefined,
): Promise<{ refusal?: TriggerError; retryAfterMs?: number }> {
  signal?.throwIfAborted()
  try {
    return await within({ timeoutMs, signal }, async (ended) => {
      const response = await fetch(callbackUrl, { ...init, signal: ended })
      const text = await response.text()
      if (response.ok) return {}
      const message = `The event was not accepted: ${response.status} ${text.slice(0, 500)}`
      return { refusal: new TriggerError(response.status, message), ...retryAfterOf(response) }
    })
  } catch (error) {
    return { refusal: new TriggerError(0, 'The trigger callback cannot be reached.', error) }
  }
}

function mayBeAcceptedLater(status: number): boolean {
  return status === 0 || status === 429 || status >= 500
}
