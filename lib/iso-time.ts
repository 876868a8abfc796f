/** Times as texts: ISO 8601 with a zone, also in the spelling of PostgreSQL (`2026-10-01 12:00:00.5+00`). */

/** A day, and what may follow it: hours and minutes, seconds with up to nine decimals, and a zone. */
const TIME =
  /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)? ?([Zz]|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)$/
const MAX_ZONE_MS = 24 * 60 * 60 * 1000
const NANO_DIGITS = 9
const MILLI_DIGITS = 3

/** An instant. JavaScript's own times have no more than milliseconds. */
export interface Instant {
  /** Since 1970. */
  ms: number
  /** Nanoseconds after that millisecond. */
  nanos: number
}

/** Null if it is no such text, or no such day exists. */
export function instantOf(text: string): Instant | null {
  const [, day = '', minutes, seconds = '00', fraction = '', zone = ''] = TIME.exec(text) ?? []
  if (minutes === undefined || !isDay(day)) return null
  const digits = fraction.padEnd(NANO_DIGITS, '0')
  const ms = Date.parse(`${day}T${minutes}:${seconds}.${digits.slice(0, MILLI_DIGITS)}Z`) - zoneMs(zone)
  return Number.isFinite(ms) ? { ms, nanos: Number(digits.slice(MILLI_DIGITS)) } : null
}

/** With as many decimals as it has, three at least. */
export function instantText({ ms, nanos }: Instant): string {
  const text = new Date(ms).toISOString()
  if (nanos === 0) return text
  const digits = String(nanos).padStart(NANO_DIGITS - MILLI_DIGITS, '0')
  return text.replace('Z', `${digits.replace(/000$/, '')}Z`)
}

/** Milliseconds since 1970; null if the value is no time. */
export function isoTimeMs(value: unknown): number | null {
  return typeof value === 'string' ? (instantOf(value)?.ms ?? null) : null
}

/** East of Greenwich. Zones of a time before they were agreed upon have seconds. NaN if there is none like it. */
function zoneMs(zone: string): number {
  if (/[Zz]/.test(zone)) return 0
  const [hours = 0, minutes = 0, seconds = 0] = (zone.match(/\d\d/g) ?? []).map(Number)
  const ms = ((hours * 60 + minutes) * 60 + seconds) * 1000
  if (minutes > 59 || seconds > 59 || ms >= MAX_ZONE_MS) return NaN
  return zone.startsWith('-') ? -ms : ms
}

/** The engine reads 30 February as 2 March. */
function isDay(day: string): boolean {
  const dayMs = Date.parse(day)
  return Number.isFinite(dayMs) && new Date(dayMs).toISOString().startsWith(day)
}
