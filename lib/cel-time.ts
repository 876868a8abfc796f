/**
 * Times in expressions. The library has JavaScript's own, which end at milliseconds; what is below is kept beside them, so
 * that two times of a database that differ by a microsecond are not the same time.
 */
import { Environment, EvaluationError } from '@marcbachmann/cel-js'
import { instantOf, instantText, type Instant } from './iso-time.ts'

// Looked up once: in the sandbox of workflows a look at a global costs more than the operation.
const Time = Date
const { isArray } = Array
const { keys, hasOwn } = Object
const { get } = Reflect

const NANOS_PER_MS = 1_000_000n
const NANOS_PER_SECOND = 1_000_000_000n
const NANO_DIGITS = 9
/** The years 1 to 9999. */
const FIRST_MS = -62_135_596_800_000
const LAST_MS = 253_402_300_799_999

const nanosBelow = new WeakMap<Date, number>()
/** Of one evaluation: until then no comparison has to look for times inside of its values. */
let hasNanos = false

export function resetTimes(): void {
  hasNanos = false
}

/** The library does not export its class; these are its public getters. */
interface DurationLike {
  seconds: bigint
  nanos: number
}

export function isDuration(value: unknown): value is DurationLike {
  return Object.prototype.toString.call(value) === '[object google.protobuf.Duration]'
}

export function timeFromText(text: string): Date {
  const instant = instantOf(text)
  if (instant) return timeOf(instant)
  throw invalid(
    /^\d{4}-\d\d-\d\d$/.test(text)
      ? `timestamp() needs a time with an offset, and not only a day; write ${text}T00:00:00Z`
      : 'timestamp() needs a date and time with an offset, such as 2026-01-31T09:30:00Z',
  )
}

/** By the digits of the number, for a multiplication with 1,000 would lose some. */
export function timeFromSeconds(seconds: bigint | number): Date {
  const text =
    typeof seconds === 'number' && /e/.test(String(seconds)) ? seconds.toFixed(NANO_DIGITS) : `${seconds}`
  const [, sign = '', whole, fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  if (whole === undefined) throw invalid('timestamp() needs seconds since 1970 within the years 1 to 9999')
  const digits = fraction.padEnd(NANO_DIGITS, '0').slice(0, NANO_DIGITS)
  return timeFromNanos(BigInt(`${sign}${whole}${digits}`))
}

export function timeText(time: Date): string {
  return instantText(instantIn(time))
}

const parseDuration = new Environment().registerVariable('text', 'string').parse('duration(text)')

export function durationFromText(text: string): unknown {
  return parseDuration({ text })
}

/** An operator as the library has it, but for times, of which it knows the milliseconds only. */
export function operate(operator: string, left: unknown, right: unknown, handle: () => unknown): unknown {
  if (left instanceof Time || right instanceof Time) {
    const ofTimes = timeOperation(operator, left, right)
    if (ofTimes !== undefined) return ofTimes
  }
  const value = handle()
  if (!hasNanos) return value
  const isSame = operator === '==' ? value === true : operator === '!=' && value === false
  return isSame && !haveSameTimes(left, right) ? operator === '!=' : value
}

function timeOperation(operator: string, left: unknown, right: unknown): unknown {
  if (left instanceof Time && right instanceof Time) {
    const difference = nanosOf(left) - nanosOf(right)
    return operator === '-'
      ? durationFromText(`${secondsText(difference)}s`)
      : comparison(operator, difference)
  }
  if (left instanceof Time && operator === 'in' && isArray(right))
    return right.some((item) => item instanceof Time && nanosOf(left) === nanosOf(item))
  if (left instanceof Time && isDuration(right)) {
    if (operator === '+') return timeFromNanos(nanosOf(left) + nanosIn(right))
    if (operator === '-') return timeFromNanos(nanosOf(left) - nanosIn(right))
  }
  if (isDuration(left) && right instanceof Time && operator === '+')
    return timeFromNanos(nanosIn(left) + nanosOf(right))
  return undefined
}

/** Of values that the library calls the same: whether times in them are too. */
function haveSameTimes(left: unknown, right: unknown): boolean {
  if (left === right) return true
  if (left instanceof Time && right instanceof Time) return nanosOf(left) === nanosOf(right)
  if (isArray(left) && isArray(right)) return left.every((item, index) => haveSameTimes(item, right[index]))
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return true
  return keys(left).every((name) => !hasOwn(right, name) || haveSameTimes(get(left, name), get(right, name)))
}

function comparison(operator: string, difference: bigint): boolean | undefined {
  switch (operator) {
    case '==':
      return difference === 0n
    case '!=':
      return difference !== 0n
    case '<':
      return difference < 0n
    case '<=':
      return difference <= 0n
    case '>':
      return difference > 0n
    case '>=':
      return difference >= 0n
    default:
      return undefined
  }
}

function timeOf({ ms, nanos }: Instant): Date {
  if (ms < FIRST_MS || ms > LAST_MS) throw invalid('A time has to be within the years 1 to 9999')
  const time = new Time(ms)
  if (nanos !== 0) {
    hasNanos = true
    nanosBelow.set(time, nanos)
  }
  return time
}

function timeFromNanos(nanos: bigint): Date {
  const below = ((nanos % NANOS_PER_MS) + NANOS_PER_MS) % NANOS_PER_MS
  return timeOf({ ms: Number((nanos - below) / NANOS_PER_MS), nanos: Number(below) })
}

function instantIn(time: Date): Instant {
  return { ms: time.getTime(), nanos: nanosBelow.get(time) ?? 0 }
}

function nanosOf(time: Date): bigint {
  const { ms, nanos } = instantIn(time)
  return BigInt(ms) * NANOS_PER_MS + BigInt(nanos)
}

function nanosIn({ seconds, nanos }: DurationLike): bigint {
  return seconds * NANOS_PER_SECOND + BigInt(Math.round(nanos))
}

/** Seconds with at most nine decimals, such as `5400` or `-1.5`. */
function secondsText(nanos: bigint): string {
  const amount = nanos < 0n ? -nanos : nanos
  const decimals = (amount % NANOS_PER_SECOND).toString().padStart(NANO_DIGITS, '0').replace(/0+$/, '')
  return `${nanos < 0n ? '-' : ''}${amount / NANOS_PER_SECOND}${decimals === '' ? '' : `.${decimals}`}`
}

export function durationText(duration: DurationLike): string {
  return `${secondsText(nanosIn(duration))}s`
}

function invalid(message: string): EvaluationError {
  return new EvaluationError({ code: 'invalid_timestamp', message })
}
