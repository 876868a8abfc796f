/**
 * What an expression yields, as plain JSON that shares nothing with the scope. What JSON cannot carry is an error,
 * never a silent null.
 */
import { Optional } from '@marcbachmann/cel-js'
import { CodedError } from '../schemas/errors.ts'
import { durationText, isDuration, timeText } from './cel-time.ts'
import { payResultValue } from './cel-work.ts'
import type { JsonValue } from './json.ts'
import { LIMITS } from './limits.ts'

// Looked up once: in the sandbox of workflows a look at a global costs more than all that is done with a value.
const { isArray } = Array
const { entries, fromEntries, getPrototypeOf, prototype: PLAIN } = Object
const { isFinite } = Number
const nameOf = String

/** Characters of all texts plus one per value: the order of size of the JSON text, against the limit of 4 MB. */
const MAX_RESULT_SIZE = 4 * 1024 * 1024
/** The same on every stack, and far below the end of any. */
const MAX_RESULT_DEPTH = 200

interface Budget {
  size: number
  parts: number
  depth: number
}

export function toJson(value: unknown): JsonValue {
  return convert(value, { size: 0, parts: 0, depth: 0 })
}

function convert(value: unknown, budget: Budget): JsonValue {
  payResultValue()
  budget.size += typeof value === 'string' ? value.length + 1 : 1
  if (budget.size > MAX_RESULT_SIZE) throw new CodedError('VALUE_TOO_LARGE', 'The result is over 4 MB')
  budget.parts += 1
  if (budget.parts > LIMITS.valueParts) {
    throw new CodedError('VALUE_TOO_LARGE', `The result has over ${LIMITS.valueParts} values and names`)
  }
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return convertDouble(value)
    case 'bigint':
      return convertInteger(value)
    case 'object':
      return value === null ? null : convertNested(value, budget)
    default:
      throw notJson(typeof value)
  }
}

function convertNested(value: object, budget: Budget): JsonValue {
  budget.depth += 1
  if (budget.depth > MAX_RESULT_DEPTH) {
    throw new CodedError('VALUE_TOO_LARGE', `The result is nested deeper than ${MAX_RESULT_DEPTH} levels`)
  }
  const converted = convertObject(value, budget)
  budget.depth -= 1
  return converted
}

function convertDouble(value: number): number {
  if (isFinite(value)) return value === 0 ? 0 : value
  throw new CodedError('EXPRESSION_FAILED', `The result is ${value}, which is no JSON number`)
}

function convertInteger(value: bigint): number {
  const number = Number(value)
  if (Number.isSafeInteger(number)) return number
  throw new CodedError(
    'EXPRESSION_FAILED',
    `The integer ${value} is too large for a JSON number; make it a text with string()`,
  )
}

function convertObject(value: object, budget: Budget): JsonValue {
  if (isArray(value)) return value.map((item) => convert(item, budget))
  // JSON may carry an own key named `constructor`, therefore the prototype decides.
  const prototype: unknown = getPrototypeOf(value)
  if (prototype === PLAIN || prototype === null || isForeignPlainObject(prototype)) {
    return convertEntries(entries(value), budget)
  }
  if (value instanceof Set) return Array.from(value, (item) => convert(item, budget))
  if (value instanceof Map) return convertEntries(value.entries(), budget)
  if (value instanceof Date) return timeText(value)
  if (value instanceof Optional) {
    throw new CodedError(
      'EXPRESSION_FAILED',
      'The result is optional; say with .orValue(…) what counts without it',
    )
  }
  if (isDuration(value)) return durationText(value)
  if (typeof value.valueOf() === 'bigint') return convertInteger(BigInt(String(value)))
  throw notJson(Object.prototype.toString.call(value).slice('[object '.length, -1))
}

/** Values that crossed into the sandbox may have the `Object.prototype` of another realm. */
function isForeignPlainObject(prototype: unknown): boolean {
  return typeof prototype === 'object' && prototype !== null && getPrototypeOf(prototype) === null
}

function convertEntries(entries: Iterable<[unknown, unknown]>, budget: Budget): JsonValue {
  const converted: [string, JsonValue][] = []
  for (const [key, item] of entries) {
    const name = nameOf(key)
    budget.size += name.length
    budget.parts += 1
    converted.push([name, convert(item, budget)])
  }
  // Unlike assignment, this makes an own property even of a key named `__proto__`.
  return fromEntries(converted)
}

function notJson(kind: string): CodedError {
  return new CodedError('EXPRESSION_FAILED', `The result is of the kind ${kind}, which JSON cannot carry`)
}
