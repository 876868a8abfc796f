/**
 * How often somebody may ask: a bucket of tokens for each API key, and one for each address whose requests carried no
 * valid key, so that guessing is slow. A valid key passes whatever else comes from its address, which may be a proxy's.
 * In memory: each API process counts for itself.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import { CodedError } from '../../schemas/errors.ts'

export interface RateLimitConfig {
  /** Requests of one key per second; 0 for no limit. For a moment it may be `BURST_SECONDS` times that. */
  perKey: number
  /** Requests without a valid key of one address per second; 0 for no limit. */
  perUnknownAddress: number
}

export interface RateLimits {
  /** The request carried no valid key. Throws RATE_LIMITED for an address that has guessed too often. */
  noteUnknown(request: FastifyRequest): void
  /** Takes one of what the key may still do now. Throws RATE_LIMITED. */
  takeOfKey(keyId: string): void
  /**
   * The same for whoever may not know how to come again, as old senders of events: it waits for its turn, as many as
   * `QUEUE_SECONDS` have room for. Throws RATE_LIMITED beyond that.
   */
  turnOfKey(keyId: string): Promise<void>
}

const BURST_SECONDS = 4
/** As long as a sender waits for an answer, with some room. */
const QUEUE_SECONDS = 8
/** More than ever ask at once; beyond it the one that has been away longest starts afresh. */
const MAX_BUCKETS = 20_000

export function createRateLimits(
  config: RateLimitConfig,
  now: () => number = Date.now,
  wait: (ms: number) => Promise<unknown> = sleep,
): RateLimits {
  const keys = createBuckets(config.perKey, now)
  const addresses = createBuckets(config.perUnknownAddress, now)
  const perKeyText = `This key may send ${config.perKey} requests per second.`
  return {
    noteUnknown({ ip }) {
      refuse(addresses.emptyForMs(ip), 'This address has sent too many requests without a valid key.')
      addresses.take(ip)
    },
    takeOfKey(keyId) {
      refuse(keys.emptyForMs(keyId), perKeyText)
      keys.take(keyId)
    },
    async turnOfKey(keyId) {
      const emptyForMs = keys.emptyForMs(keyId)
      if (emptyForMs > QUEUE_SECONDS * 1_000) refuse(emptyForMs, perKeyText)
      keys.take(keyId)
      if (emptyForMs > 0) await wait(emptyForMs)
    },
  }
}

function refuse(emptyForMs: number, detail: string): void {
  if (emptyForMs > 0) throw new CodedError('RATE_LIMITED', detail, { nextRetryDelayMs: emptyForMs })
}

interface Buckets {
  /** 0 if there is a token. */
  emptyForMs(name: string): number
  take(name: string): void
}

function createBuckets(perSecond: number, now: () => number): Buckets {
  const capacity = perSecond * BURST_SECONDS
  /** In the order of their last use. */
  const buckets = new Map<string, { tokens: number; atMs: number }>()

  function tokensOf(name: string): number {
    const bucket = buckets.get(name)
    if (!bucket) return capacity
    return Math.min(capacity, bucket.tokens + ((now() - bucket.atMs) / 1_000) * perSecond)
  }

  return {
    emptyForMs(name) {
      if (perSecond === 0) return 0
      const missing = 1 - tokensOf(name)
      return missing <= 0 ? 0 : Math.ceil((missing / perSecond) * 1_000)
    },
    take(name) {
      if (perSecond === 0) return
      // Below zero: of those that wait.
      const tokens = tokensOf(name) - 1
      buckets.delete(name)
      if (buckets.size >= MAX_BUCKETS) buckets.delete(buckets.keys().next().value ?? '')
      buckets.set(name, { tokens, atMs: now() })
    },
  }
}
