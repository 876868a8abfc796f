/**
 * DSSE envelopes (Dead Simple Signing Envelope v1) with Ed25519. The signature covers the payload's type and bytes,
 * so an envelope cannot be passed off as another kind of document.
 */
import { sign, verify, type KeyObject } from 'node:crypto'
import type { Envelope } from '../schemas/run.ts'

export interface SigningKey {
  keyId: string
  privateKey: KeyObject
}

/** `purpose` keeps a worker's key from signing decisions and the API's key from signing outcomes. */
export interface TrustedKey {
  keyId: string
  purpose: 'decision' | 'receipt'
  publicKey: KeyObject
  /** ISO 8601. What it has signed since then proves nothing, and what it signed before lets nothing happen any more. */
  retiredAt?: string
}

interface Expected {
  payloadType: string
  purpose: TrustedKey['purpose']
}

export function signEnvelope(payloadType: string, document: unknown, key: SigningKey): Envelope {
  const payload = Buffer.from(JSON.stringify(document), 'utf8')
  const signature = sign(null, preAuthenticationEncoding(payloadType, payload), key.privateKey)
  return {
    payloadType,
    payload: payload.toString('base64'),
    signatures: [{ keyid: key.keyId, sig: signature.toString('base64') }],
  }
}

/**
 * The document inside, if one of the trusted keys of that purpose signed it that is still in use; else null. A broken
 * envelope is not an error: whoever sends one is told that it is not verified, like anybody with a wrong signature.
 */
export function openEnvelope(
  envelope: Envelope,
  expected: Expected,
  keys: readonly TrustedKey[],
): { document: unknown; keyId: string } | null {
  return openWith(envelope, expected, keys.filter(isInUse))
}

/**
 * For what can only ever stop something: every key that was ever ours counts, whatever the date. `isInUse` says whether
 * more may follow from the document than that.
 */
export function openWarning(
  envelope: Envelope,
  expected: Expected,
  keys: readonly TrustedKey[],
): { document: unknown; isInUse: boolean } | null {
  const current = openEnvelope(envelope, expected, keys)
  const opened = current ?? openWith(envelope, expected, keys)
  return opened && { document: opened.document, isInUse: current !== null }
}

/** What it says, whoever has signed it. Nothing may follow from that but a stop. */
export function readUnopened({ payload }: Envelope): unknown {
  const bytes = fromBase64(payload)
  return bytes && parseJson(bytes)
}

/**
 * For what is evidence, and lets nothing happen: a key that was retired counts for what is dated before. `datedAt` says
 * when, as ISO 8601, if the document does.
 */
export function openEvidence(
  envelope: Envelope,
  expected: Expected & { datedAt: (document: unknown) => readonly unknown[] },
  keys: readonly TrustedKey[],
): { document: unknown; keyId: string } | null {
  const current = openEnvelope(envelope, expected, keys)
  if (current) return current
  for (const key of keys.filter((candidate) => !isInUse(candidate))) {
    const opened = openWith(envelope, expected, [key])
    const dates = opened ? expected.datedAt(opened.document) : []
    if (opened && dates.length > 0 && dates.every((date) => isUpTo(date, key.retiredAt))) return opened
  }
  return null
}

export function isInUse({ retiredAt }: TrustedKey): boolean {
  return retiredAt === undefined
}

function isUpTo(date: unknown, retiredAt: string | undefined): boolean {
  return typeof date === 'string' && Date.parse(date) <= Date.parse(retiredAt ?? '')
}

function openWith(
  envelope: Envelope,
  expected: Expected,
  keys: readonly TrustedKey[],
): { document: unknown; keyId: string } | null {
  if (envelope.payloadType !== expected.payloadType) return null
  const payload = fromBase64(envelope.payload)
  if (payload === null) return null
  const message = preAuthenticationEncoding(envelope.payloadType, payload)
  for (const { keyid, sig } of envelope.signatures) {
    const key = keys.find((candidate) => candidate.keyId === keyid && candidate.purpose === expected.purpose)
    const signature = fromBase64(sig)
    if (key && signature && verify(null, message, key.publicKey, signature)) {
      return { document: parseJson(payload), keyId: key.keyId }
    }
  }
  return null
}

function preAuthenticationEncoding(payloadType: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.length} `
  return Buffer.concat([Buffer.from(head, 'utf8'), payload])
}

/** Null unless this text is the one base64 form of its bytes: no two envelopes are the same document. */
function fromBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return null
  }
}
