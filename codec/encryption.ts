/**
 * AES-256-GCM over whole payloads. Several keys are known, one is active: a rotation adds a key, makes it active, and
 * leaves the old ones as long as a history names them. What is authenticated besides: the organization and the key's id.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Payload } from '@temporalio/common'
import { z } from 'zod'
import { payloadUnavailable } from './errors.ts'
import { fromFrame, textOf, toFrame, type Framed } from './frame.ts'

export interface EncryptionKeys {
  /** Id of the key that new values are encrypted with. */
  active: string
  /** 32 bytes each, by id. */
  keys: ReadonlyMap<string, Buffer>
}

export const ENCRYPTED = 'binary/countersign-encrypted'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
const IV_BYTES = 12
const TAG_BYTES = 16

const KeyIdSchema = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'a key id has up to 64 of A-Z a-z 0-9 . _ -')
const KeysFileSchema = z.strictObject({
  active: KeyIdSchema,
  keys: z.record(
    KeyIdSchema,
    z
      .base64()
      .transform((text) => Buffer.from(text, 'base64'))
      .refine((key) => key.byteLength === KEY_BYTES, `a key is ${KEY_BYTES} bytes in base64`),
  ),
})

/** Reads `{"active": "2026-10", "keys": {"2026-10": "…base64…"}}`. The error never quotes the file. */
export function loadEncryptionKeys(file: string): EncryptionKeys {
  const parsed = KeysFileSchema.safeParse(readJson(file))
  if (!parsed.success) throw new Error(`the encryption keys in ${file}:\n${z.prettifyError(parsed.error)}`)
  const { active, keys } = parsed.data
  if (!Object.hasOwn(keys, active))
    throw new Error(`the encryption keys in ${file}: there is no key ${active}`)
  return { active, keys: new Map(Object.entries(keys)) }
}

function readJson(file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`the encryption keys in ${file} cannot be read`, { cause: error })
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`the encryption keys in ${file} are not JSON`)
  }
}

/**
 * `repeatable`: the same value gives the same bytes, so that a large one is stored once. It shows who can read the
 * store that two values of one organization are equal, and nothing else of them.
 */
export function encrypt(framed: Framed, keys: EncryptionKeys, options: { repeatable: boolean }): Payload {
  const key = keys.keys.get(keys.active)
  if (!key) throw new Error(`there is no encryption key ${keys.active}`)
  const { organization } = framed
  const plain = toFrame(framed)
  const bound = boundTo(organization, keys.active)
  const iv = options.repeatable ? ivOf(key, bound, plain) : randomBytes(IV_BYTES)
  const cipher = createCipheriv(ALGORITHM, key, iv).setAAD(bound)
  const data = Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  const metadata = {
    encoding: Buffer.from(ENCRYPTED),
    key: Buffer.from(keys.active),
    organization: Buffer.from(organization),
  }
  return { metadata, data }
}

/** Throws PAYLOAD_UNAVAILABLE for a key that is not known, and for bytes that were not encrypted with it. */
export function decrypt({ metadata, data }: Payload, keys: EncryptionKeys | undefined): Framed {
  const keyId = textOf(metadata?.['key'])
  const organization = textOf(metadata?.['organization'])
  const key = keys?.keys.get(keyId)
  // The id is somebody's text until the bytes are proven.
  if (!key) throw payloadUnavailable(`no encryption key ${JSON.stringify(keyId.slice(0, 64))} is known here`)
  try {
    const bytes = Buffer.from(data ?? new Uint8Array())
    const body = bytes.subarray(IV_BYTES, bytes.byteLength - TAG_BYTES)
    const options = { authTagLength: TAG_BYTES }
    const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, IV_BYTES), options)
      .setAAD(boundTo(organization, keyId))
      .setAuthTag(bytes.subarray(bytes.byteLength - TAG_BYTES))
    return fromFrame(Buffer.concat([decipher.update(body), decipher.final()]))
  } catch (error) {
    throw payloadUnavailable(`a value was not encrypted with key ${keyId}, or was changed since`, error)
  }
}

function boundTo(organization: string, keyId: string): Buffer {
  return Buffer.from(JSON.stringify(['countersign payload', 1, organization, keyId]))
}

/** From the value itself: two different values get the same one as rarely as if it were random. */
function ivOf(key: Buffer, bound: Buffer, plain: Buffer): Buffer {
  const ivKey = Buffer.from(hkdfSync('sha256', key, '', 'countersign payload iv', KEY_BYTES))
  return createHmac('sha256', ivKey).update(bound).update(plain).digest().subarray(0, IV_BYTES)
}
