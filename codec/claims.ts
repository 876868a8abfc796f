/**
 * The claim check: bytes go into the table `payloads`, and their SHA-256 into the history. Nobody is believed: what
 * comes back is hashed again. A process that has stored or read bytes within the last day asks nobody.
 */
import { createHash } from 'node:crypto'
import type { Queryable } from '../db/database.ts'
import { findPayload, keepPayload } from '../db/queries/payloads.ts'
import { createByteCache, type ByteCache } from './byte-cache.ts'
import { payloadUnavailable } from './errors.ts'

export interface Claims {
  /** Gives their SHA-256, once they are stored. */
  keep(bytes: Buffer, organization: string): Promise<string>
  /** Throws PAYLOAD_UNAVAILABLE. Nobody may write into what it gives. */
  redeem(sha256: string): Promise<Buffer>
}

interface ClaimsState {
  database: Queryable
  cache: ByteCache
  nowMs: () => number
  /** By hash: the same value is often needed by many at once. */
  keeping: Map<string, Promise<void>>
  reading: Map<string, Promise<Buffer>>
}

/** As long as the row's own mark may lag behind. */
const NOTED_FOR_MS = 24 * 3_600_000

export function createClaims(options: {
  database: Queryable
  cacheBytes: number
  nowMs: () => number
}): Claims {
  const { database, cacheBytes, nowMs } = options
  const cache = createByteCache(cacheBytes)
  const state: ClaimsState = { database, cache, nowMs, keeping: new Map(), reading: new Map() }
  return {
    keep: async (bytes, organization) => {
      const sha256 = sha256Of(bytes)
      if (!isNoted(state, sha256))
        await once(state.keeping, sha256, () => keep(state, sha256, bytes, organization))
      return sha256
    },
    redeem: async (sha256) => {
      const known = state.cache.get(sha256)
      if (known && isNoted(state, sha256)) return known.bytes
      return once(state.reading, sha256, () => read(state, sha256))
    },
  }
}

function isNoted({ cache, nowMs }: ClaimsState, sha256: string): boolean {
  const known = cache.get(sha256)
  return known !== undefined && nowMs() - known.notedAtMs < NOTED_FOR_MS
}

async function keep(
  { database, cache, nowMs }: ClaimsState,
  sha256: string,
  bytes: Buffer,
  organization: string,
): Promise<void> {
  const notedAtMs = nowMs()
  await keepPayload(database, { sha256, organization, bytes })
  cache.set(sha256, { bytes, notedAtMs })
}

async function read({ database, cache, nowMs }: ClaimsState, sha256: string): Promise<Buffer> {
  const notedAtMs = nowMs()
  const bytes = await findPayload(database, sha256)
  const name = sha256.slice(0, 12)
  if (bytes === undefined) throw payloadUnavailable(`the value ${name}… is not in the table payloads`)
  if (sha256Of(bytes) !== sha256)
    throw payloadUnavailable(`the value ${name}… in the table payloads is not what was stored`)
  cache.set(sha256, { bytes, notedAtMs })
  return bytes
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function once<T>(underWay: Map<string, Promise<T>>, name: string, work: () => Promise<T>): Promise<T> {
  const known = underWay.get(name)
  if (known) return known
  const started = work().finally(() => underWay.delete(name))
  underWay.set(name, started)
  return started
}
