/** Ids and keys that come from chance. */
import { randomBytes } from 'node:crypto'

/** Such as `run_` and 32 hex digits: 128 bits of chance, so that two never meet. */
export function newId(prefix: 'run' | 'dlv' | 'key' | 'req' | 'dec' | 'res' | 'dry'): string {
  return `${prefix}_${randomBytes(16).toString('hex')}`
}

/** An API key: recognisable in a leak scan, 256 bits. */
export function newApiKey(): string {
  return `cs_${randomBytes(32).toString('base64url')}`
}

/** The token of a trigger callback, in the form that existing servers keep: 64 lower-case hex digits, no prefix. */
export function newTriggerToken(): string {
  return randomBytes(32).toString('hex')
}
