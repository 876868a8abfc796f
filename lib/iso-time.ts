/** Times as texts: ISO 8601, to the second at least, with a zone. */

const ISO_TIME = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/

/** Milliseconds since 1970; null if the value is no such text, or no such day exists. */
export function isoTimeMs(value: unknown): number | null {
  if (typeof value !== 'string' || !ISO_TIME.test(value)) return null
  const timeMs = Date.parse(value)
  return Number.isFinite(timeMs) ? timeMs : null
}
