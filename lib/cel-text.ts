/**
 * Texts in expressions, counted in characters (code points) as `size` counts them. The library counts what JavaScript
 * does, in which some characters are two: a cut between these would leave half of one, which is no text.
 */
import { EvaluationError } from '@marcbachmann/cel-js'
import { pay } from './cel-work.ts'

/** Only such texts have characters that are two units. */
const PAIR = /[\ud800-\udfff]/
const HALF = /\p{Surrogate}/u
/** Of a character, each time that they are counted. */
const COUNTED = 5

type Count = bigint | number

export function substring(text: string, from: Count, to?: Count): string {
  const { length, unitOf } = charactersOf(text)
  const [start, end] = [Number(from), to === undefined ? length : Number(to)]
  if (isPlace(start) && isPlace(end) && start <= end && end <= length)
    return text.slice(unitOf(start), unitOf(end))
  const asked = to === undefined ? `${start}` : `${start}, ${end}`
  throw outOfRange(`substring(${asked}) is outside a text of length ${length}`)
}

/** -1 if it is nowhere. */
export function indexOf(text: string, sought: string, from: Count = 0): bigint {
  assertWhole(sought)
  const characters = charactersOf(text)
  return characters.at(text.indexOf(sought, unitAt(characters, from, 'indexOf')))
}

/** The last place at or before `from`. */
export function lastIndexOf(text: string, sought: string, from?: Count): bigint {
  assertWhole(sought)
  const characters = charactersOf(text)
  const start = from === undefined ? text.length : unitAt(characters, from, 'lastIndexOf')
  return characters.at(text.lastIndexOf(sought, start))
}

/** At most `most` parts, the last of which is all the rest; a negative bound is none. */
export function split(text: string, separator: string, most: Count = -1): string[] {
  assertWhole(separator)
  const limit = Number(most)
  if (limit === 0) return []
  const parts = separator === '' ? Array.from(text) : text.split(separator)
  if (limit < 0 || parts.length <= limit) return parts
  return [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)]
}

/** Of a text that is data: a literal is looked at when it is read. */
export function isWhole(text: string): boolean {
  return !HALF.test(text)
}

interface Characters {
  length: number
  /** Where a character begins, in units. */
  unitOf: (character: number) => number
  /** Which character begins at a unit; -1 stays -1. */
  at: (unit: number) => bigint
}

function charactersOf(text: string): Characters {
  pay(text.length)
  if (!PAIR.test(text)) return { length: text.length, unitOf: (character) => character, at: BigInt }
  const count = (end: number): number => {
    pay(end * COUNTED)
    let characters = 0
    for (let unit = 0; unit < end; unit += widthAt(text, unit)) characters++
    return characters
  }
  const unitOf = (character: number): number => {
    pay(character * COUNTED)
    let unit = 0
    for (let passed = 0; passed < character; passed++) unit += widthAt(text, unit)
    return unit
  }
  return { length: count(text.length), unitOf, at: (unit) => BigInt(unit < 0 ? unit : count(unit)) }
}

function widthAt(text: string, unit: number): 1 | 2 {
  return (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1
}

function unitAt({ length, unitOf }: Characters, from: Count, name: string): number {
  const start = Number(from)
  if (isPlace(start) && start <= length) return unitOf(start)
  throw outOfRange(`${name}(…, ${start}) is outside a text of length ${length}`)
}

function isPlace(count: number): boolean {
  return Number.isInteger(count) && count >= 0
}

/** Half of a character could be found within a whole one. */
function assertWhole(sought: string): void {
  if (!isWhole(sought))
    throw new EvaluationError({
      code: 'half_character',
      message: 'The text that is looked for holds half of a character',
    })
}

function outOfRange(message: string): EvaluationError {
  return new EvaluationError({ code: 'index_out_of_range', message })
}
