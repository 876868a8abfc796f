/** Times as texts: ISO 8601, to the second at least, with a zone. */

const ISO_TIME = /^(\d{4}-\d\d-\d\d)T[\d:.]+(Z|[+-]\d\d:\d\d)$/

/** Milliseconds since 1970; null if the value is no such text, or no such day exists. */
export function isoTimeMs(value: unknown): number | null {
  const [, day] = typeof value === 'string' ? (ISO_TIME.exec(value) ?? []) : []
  if (day === undefined || !isDay(day)) return null
  const timeMs = Date.parse(String(value))
  return Number.isFinite(timeMs) ? timeMs : null
}

/** The engine reads 30 February as 2 March. */
function isDay(day: string): boolean {
  const dayMs = Date.parse(day)
  return Number.isFinite(dayMs) && new Date(dayMs).toISOString().startsWith(day)
}
