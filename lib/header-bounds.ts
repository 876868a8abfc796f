/** What of headers a connection may have: all of it is sent with each request, and looked for in each error. */
import { MAX_HEADER_BYTES, MAX_HEADERS, MAX_HEADERS_BYTES, readableBytes, utf8Bytes } from './limits.ts'

/** What is too much, without a value; null if nothing is. */
export function headersTooLarge(headers: Readonly<Record<string, string>>): string | null {
  const sizes = Object.entries(headers).map(
    ([name, value]) => [name, utf8Bytes(name) + utf8Bytes(value)] as const,
  )
  if (sizes.length > MAX_HEADERS) return `${sizes.length} headers, at most ${MAX_HEADERS}`
  const large = sizes.find(([, bytes]) => bytes > MAX_HEADER_BYTES)
  if (large)
    return `${shortName(large[0])}: ${readableBytes(large[1])}, at most ${readableBytes(MAX_HEADER_BYTES)}`
  const bytes = sizes.reduce((sum, [, size]) => sum + size, 0)
  if (bytes <= MAX_HEADERS_BYTES) return null
  return `${readableBytes(bytes)} of headers, at most ${readableBytes(MAX_HEADERS_BYTES)}`
}

/** It may be what is too large. */
function shortName(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name
}
