/**
 * What the codec does with a payload: encrypt it, if there are keys; and if it is large, put it aside and leave its hash
 * in its place. Every value belongs to an organization, which stands inside of what is hashed and encrypted; it is given
 * to nobody who may not see that organization's values.
 */
import type { Payload } from '@temporalio/common'
import type { Queryable } from '../db/database.ts'
import { createClaims, type Claims } from './claims.ts'
import { decrypt, encrypt, ENCRYPTED, type EncryptionKeys } from './encryption.ts'
import { payloadForbidden, payloadUnavailable } from './errors.ts'
import { encodingOf, fromFrame, sizeOf, textOf, toFrame, type Framed } from './frame.ts'

export interface Payloads {
  /** `organization` is empty for a workflow that is not ours. */
  encode(payload: Payload, organization: string): Promise<Payload>
  /** Throws PAYLOAD_UNAVAILABLE, and FORBIDDEN for an organization that `maySee` refuses. */
  decode(payload: Payload, maySee: (organization: string) => boolean): Promise<Payload>
}

export interface PayloadsOptions {
  database: Queryable
  /** Without, nothing is encrypted. */
  encryption?: EncryptionKeys | undefined
  cacheBytes?: number
  nowMs?: () => number
}

/** Larger ones are put aside: a hundred of these still fit into one message to Temporal, which takes 4 MB. */
export const MAX_INLINE_BYTES = 16 * 1024
const CLAIM = 'binary/countersign-claim'
/** What a busy worker needs again and again: plans, and the values of the runs under way. */
const CACHE_BYTES = 64 * 1024 * 1024
const SHA256_HEX = /^[0-9a-f]{64}$/

export function createPayloads(options: PayloadsOptions): Payloads {
  const { database, encryption, cacheBytes = CACHE_BYTES, nowMs = Date.now } = options
  const claims = createClaims({ database, cacheBytes, nowMs })
  return {
    encode: (payload, organization) => encode({ claims, encryption }, { organization, payload }),
    decode: (payload, maySee) => decode({ claims, encryption }, payload, maySee),
  }
}

interface Parts {
  claims: Claims
  encryption: EncryptionKeys | undefined
}

async function encode({ claims, encryption }: Parts, framed: Framed): Promise<Payload> {
  const isLarge = sizeOf(framed.payload) > MAX_INLINE_BYTES
  const payload = encryption ? encrypt(framed, encryption, { repeatable: isLarge }) : framed.payload
  if (sizeOf(payload) <= MAX_INLINE_BYTES) return payload
  const bytes = toFrame({ organization: framed.organization, payload })
  const sha256 = await claims.keep(bytes, framed.organization)
  return { metadata: { encoding: Buffer.from(CLAIM) }, data: Buffer.from(sha256) }
}

async function decode(
  { claims, encryption }: Parts,
  payload: Payload,
  maySee: (organization: string) => boolean,
): Promise<Payload> {
  let shown = payload
  if (encodingOf(shown) === CLAIM) {
    const sha256 = textOf(shown.data)
    if (!SHA256_HEX.test(sha256)) throw payloadUnavailable('a reference to a value is not a hash')
    shown = owned(permitted(fromFrame(await claims.redeem(sha256)), maySee))
  }
  return encodingOf(shown) === ENCRYPTED ? permitted(decrypt(shown, encryption), maySee) : shown
}

function permitted({ organization, payload }: Framed, maySee: (organization: string) => boolean): Payload {
  if (maySee(organization)) return payload
  throw payloadForbidden(
    organization === ''
      ? 'a value belongs to no organization: it is not of a workflow of Countersign'
      : 'a value belongs to another organization',
  )
}

/** Bytes are handed to activities as they are, and what is written into them must not end up in the cache. */
function owned(payload: Payload): Payload {
  return encodingOf(payload) === 'binary/plain'
    ? { ...payload, data: Uint8Array.from(payload.data ?? []) }
    : payload
}
