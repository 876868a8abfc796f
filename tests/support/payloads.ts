/** Payloads as Temporal's converter makes them, and keys to encrypt them with. */
import { randomBytes } from 'node:crypto'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import type { EncryptionKeys } from '../../codec/encryption.ts'

export function payloadOf(value: unknown): Payload {
  return defaultPayloadConverter.toPayload(value)
}

export function valueOf(payload: Payload): unknown {
  return defaultPayloadConverter.fromPayload(payload)
}

export function textOf({ data }: Payload): string {
  return Buffer.from(data ?? []).toString()
}

export function encodingOf({ metadata }: Payload): string {
  return Buffer.from(metadata?.['encoding'] ?? []).toString()
}

/** A fresh key for each id; the first one is active. */
export function keysOf(...ids: [string, ...string[]]): EncryptionKeys {
  return { active: ids[0], keys: new Map(ids.map((id) => [id, randomBytes(32)])) }
}

/** Different for different seeds, and as large as told. */
export function largeValue(bytes: number, seed = ''): { text: string } {
  return { text: `${seed}${'0123456789abcdef'.repeat(Math.ceil(bytes / 16))}`.slice(0, bytes) }
}
