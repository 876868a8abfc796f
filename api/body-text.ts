/**
 * The text of a body from its bytes, or why there is none. Sent as gzip it is unpacked, within the same limit of size.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { charsetOf } from '../lib/charset.ts'
import { LIMITS } from '../lib/limits.ts'
import { CodedError } from '../schemas/errors.ts'

const GZIP = [0x1f, 0x8b]
/** At the beginning of a text, with the encoding that it names. No part of the text. */
const MARKS: readonly (readonly [bytes: readonly number[], encoding: string])[] = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

/** Throws INVALID_INPUT, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE. */
export function bodyText(
  bytes: Buffer,
  headers: Pick<IncomingHttpHeaders, 'content-encoding' | 'content-type'>,
): string {
  const unpacked = unpackedOf(bytes, headers['content-encoding']?.trim().toLowerCase() ?? '')
  const marked = MARKS.find(([mark]) => startsWith(unpacked, mark))?.[1]
  const encoding = marked ?? charsetOf(headers['content-type'] ?? '') ?? 'utf-8'
  const decoder = decoderOf(encoding)
  try {
    return decoder.decode(unpacked)
  } catch {
    throw unusable(`is not in ${encoding}`)
  }
}

/** It replaces nothing in silence, and leaves the mark out. */
function decoderOf(encoding: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(encoding, { fatal: true })
  } catch (error) {
    const detail = `The body has the charset ${encoding}, which is not known here; send UTF-8.`
    throw new CodedError('UNSUPPORTED_MEDIA_TYPE', detail, { cause: error })
  }
}

function unpackedOf(bytes: Buffer, encoding: string): Buffer {
  if (encoding === '' || encoding === 'identity') {
    if (startsWith(bytes, GZIP)) throw unusable('is gzip, and no Content-Encoding says so')
    return bytes
  }
  if (encoding !== 'gzip' && encoding !== 'x-gzip') {
    const detail = `The body has the Content-Encoding ${encoding}; it can be gzip, or none.`
    throw new CodedError('UNSUPPORTED_MEDIA_TYPE', detail)
  }
  try {
    return gunzipSync(bytes, { maxOutputLength: LIMITS.bodyBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw unusable('is not gzip, as its Content-Encoding says')
    throw new CodedError('PAYLOAD_TOO_LARGE', 'The body is over 1 MB when it is unpacked.', { cause: error })
  }
}

function startsWith(bytes: Buffer, mark: readonly number[]): boolean {
  return mark.every((byte, index) => bytes[index] === byte)
}

function unusable(message: string): CodedError {
  return new CodedError('INVALID_INPUT', `The body ${message}; send one JSON text in UTF-8.`)
}
