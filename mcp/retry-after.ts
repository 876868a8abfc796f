const MAX_RETRY_AFTER_MS = 60 * 60 * 1000

/** Seconds or an HTTP date (RFC 9110, 10.2.3); at most an hour, since the text is foreign. */
export function parseRetryAfterMs(text: string | null): number | undefined {
  if (text === null) return undefined
  const delayMs = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), MAX_RETRY_AFTER_MS)
}
