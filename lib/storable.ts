/**
 * Texts that the database can keep: PostgreSQL has no U+0000 in text, and UTF-8 no half of a surrogate pair. What people
 * send us is refused with its place; what a server answers is kept with U+FFFD instead, for it can not be asked again.
 */
import { CodedError } from '../schemas/errors.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import type { JsonValue } from './json.ts'
import { pathText } from './path-text.ts'

const UNSTORABLE = /[\0\p{Surrogate}]/gu

/** Nobody reads more of them. */
const MAX_PLACES = 50

/** The places that hold such a text. */
export function unstorableTexts(value: JsonValue, path: string): ProblemPlace[] {
  const found: ProblemPlace[] = []
  collect(value, [], (at) => found.push(unstorable(pathText(path, at))) < MAX_PLACES)
  return found
}

/** False: no more are wanted. The path is put together only where it is told. */
function collect(value: JsonValue, at: PropertyKey[], tell: (at: PropertyKey[]) => boolean): boolean {
  if (typeof value === 'string') return isStorable(value) || tell(at)
  if (value === null || typeof value !== 'object') return true
  const inside = (key: PropertyKey, item: JsonValue): boolean => {
    at.push(key)
    const goesOn = collect(item, at, tell)
    at.pop()
    return goesOn
  }
  if (Array.isArray(value)) return value.every((item, index) => inside(index, item))
  return Object.entries(value).every(([key, item]) => (isStorable(key) ? inside(key, item) : tell(at)))
}

/** Throws INVALID_ARGUMENTS with the first such place. */
export function assertStorable(value: JsonValue, path: string): void {
  const [place] = unstorableTexts(value, path)
  if (place) throw new CodedError('INVALID_ARGUMENTS', `${place.path} ${place.message}`)
}

/** The same value if there is nothing to replace in it. */
export function storableValue(value: JsonValue): JsonValue {
  return unstorableTexts(value, '').length === 0 ? value : replaced(value)
}

export function storableText(text: string): string {
  return text.replace(UNSTORABLE, '\uFFFD')
}

function replaced(value: JsonValue): JsonValue {
  if (typeof value === 'string') return storableText(value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(replaced)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [storableText(key), replaced(item)]))
}

function isStorable(text: string): boolean {
  return storableText(text) === text
}

function unstorable(path: string): ProblemPlace {
  return {
    path,
    rule: 'storable',
    message: 'holds a character that cannot be kept (U+0000 or half of a pair)',
    hint: 'Leave the character out.',
  }
}
