/**
 * One payload as bytes, with the organization that it belongs to: what is hashed, stored and encrypted. The same payload
 * of the same organization always gives the same bytes, so that it is stored once.
 *
 * Four bytes with the length of the header, the header as JSON, the data.
 */
import type { Payload } from '@temporalio/common'

export interface Framed {
  /** Empty for a workflow that is not ours. */
  organization: string
  payload: Payload
}

interface Header {
  organization: string
  /** Names sorted, values in base64. */
  metadata: [string, string][]
}

const LENGTH_BYTES = 4

export function toFrame({ organization, payload }: Framed): Buffer {
  const metadata = Object.entries(payload.metadata ?? {})
    .map(([name, value]): [string, string] => [name, Buffer.from(value).toString('base64')])
    .sort(([one], [other]) => (one < other ? -1 : 1))
  const header = Buffer.from(JSON.stringify({ organization, metadata } satisfies Header))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(header.byteLength)
  return Buffer.concat([length, header, payload.data ?? new Uint8Array()])
}

/** Of bytes whose origin is proven, by their hash or by their encryption. The data is a view of them, not a copy. */
export function fromFrame(frame: Buffer): Framed {
  const dataStart = LENGTH_BYTES + frame.readUInt32BE(0)
  const header = JSON.parse(frame.subarray(LENGTH_BYTES, dataStart).toString('utf8')) as Header
  const metadata = Object.fromEntries(
    header.metadata.map(([name, value]) => [name, Buffer.from(value, 'base64')]),
  )
  return { organization: header.organization, payload: { metadata, data: frame.subarray(dataStart) } }
}

/** About what Temporal counts. */
export function sizeOf({ metadata, data }: Payload): number {
  const entries = Object.entries(metadata ?? {})
  const metadataBytes = entries.reduce((sum, [name, value]) => sum + name.length + value.byteLength, 0)
  return metadataBytes + (data?.byteLength ?? 0)
}

export function encodingOf({ metadata }: Payload): string {
  return textOf(metadata?.['encoding'])
}

export function textOf(bytes: Uint8Array | null | undefined): string {
  return bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8') : ''
}
