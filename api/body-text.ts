/**
 * The text of a body from its bytes, or why there is none. Sent as gzip it is unpacked, within the same limit of size.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { decoded, startsWith } from '../lib/decoded-text.ts'
import { LIMITS } from '../lib/limits.ts'
import { CodedError } from '../schemas/errors.ts'

const GZIP = [0x1f, 0x8b]

/** Throws INVALID_INPUT, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE. */
export function bodyText(
  bytes: Buffer,
  headers: Pick<IncomingHttpHeaders, 'content-encoding' | 'content-type'>,
): string {
  const unpacked = unpackedOf(bytes, headers['content-encoding']?.trim().toLowerCase() ?? '')
  const read = decoded(unpacked, charsetOf(headers['content-type'] ?? ''))
  if (read.ok) return read.text
  if (read.isKnown) throw unusable(`is not in ${read.encoding}`)
  throw new CodedError(
    'UNSUPPORTED_MEDIA_TYPE',
    `The body has the charset ${read.encoding}, which is not known here; send UTF-8.`,
  )
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

function charsetOf(contentType: string): string | undefined {
  return /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase()
}

function unusable(message: string): CodedError {
  return new CodedError('INVALID_INPUT', `The body ${message}; send one JSON text in UTF-8.`)
}
