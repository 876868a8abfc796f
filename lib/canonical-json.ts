/** Canonical JSON (RFC 8785) and its digest: the same value gives the same bytes, whatever the order of its keys. */
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

/** Throws a TypeError on what JSON cannot say (undefined at the top, functions, NaN). */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('value has no JSON form')
  return text
}

/** 64 lower-case hex digits. */
export function sha256Hex(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

export function digestOf(value: unknown): string {
  return sha256Hex(canonicalJson(value))
}
