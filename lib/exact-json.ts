/**
 * What `JSON.parse` changes without a word: a number that a double cannot keep, and all but the last of the fields with
 * one name. The text is read once more beside the parser, which has accepted it.
 */
import type { ProblemPlace } from '../schemas/problem.ts'
import { NOT_EXACT, survives, WRITE_AS_TEXT } from './exact-numbers.ts'
import type { JsonValue } from './json.ts'
import { pathText } from './path-text.ts'

/** Nobody reads more of them. */
const MAX_PLACES = 20
/** A decimal of so many digits is the same when it comes back from a double, whatever they are. */
const SURE_DIGITS = 15
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const POINT = 0x2e
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

export interface ExactJson {
  value: JsonValue
  /** What of the text is not in the value. */
  places: ProblemPlace[]
}

/** Throws a SyntaxError where JSON.parse does. */
export function parseExactJson(text: string): ExactJson {
  const value = JSON.parse(text) as JsonValue
  return { value, places: inexactPlaces(text) }
}

/** An object or a list that is open. */
interface Level {
  /** Null: it is a list. */
  names: Set<string> | null
  at: string | number
  /** The next text is a name. */
  awaitsName: boolean
}

/** Of a text that is JSON. Takes time in proportion to its length, whatever stands in it. */
export function inexactPlaces(text: string): ProblemPlace[] {
  const places: ProblemPlace[] = []
  for (const { path, isTwice } of inexactTokens(text)) {
    const [message, hint] = isTwice
      ? ['stands here twice', 'Keep one of the two.']
      : [NOT_EXACT, WRITE_AS_TEXT]
    places.push({ path, rule: 'exact', message, hint })
    if (places.length === MAX_PLACES) break
  }
  return places
}

/** For what somebody else has stored already: a number that a double cannot keep becomes its text. */
export function parseWithTexts(text: string): JsonValue {
  let exact = ''
  let position = 0
  for (const { start, end, isTwice } of inexactTokens(text)) {
    if (isTwice) continue
    exact += `${text.slice(position, start)}"${text.slice(start, end)}"`
    position = end
  }
  return JSON.parse(exact + text.slice(position)) as JsonValue
}

interface InexactToken {
  path: string
  /** A name that its object has had before; else a number. */
  isTwice: boolean
  start: number
  end: number
}

function* inexactTokens(text: string): Generator<InexactToken> {
  const levels: Level[] = []
  let start = 0
  while (start < text.length) {
    const unit = text.charCodeAt(start)
    let end = start + 1
    let isInexact = false
    if (unit === QUOTE) {
      end = endOfText(text, start)
      const level = levels.at(-1)
      isInexact = level?.awaitsName === true && !enterName(level, nameOf(text.slice(start, end)))
    } else if (isOfNumber(unit)) {
      end = endOfDigits(text, start)
      if (end - start > SURE_DIGITS || isOfExponent(text.charCodeAt(end))) {
        end = endOfNumber(text, end)
        isInexact = !survives(text.slice(start, end))
      }
    } else follow(levels, unit)
    if (isInexact) yield { path: pathOf(levels), isTwice: unit === QUOTE, start, end }
    start = end
  }
}

function pathOf(levels: readonly Level[]): string {
  return pathText(
    '',
    levels.map(({ at }) => at),
  )
}

function follow(levels: Level[], unit: number): void {
  if (unit === OPEN_OBJECT) levels.push({ names: new Set(), at: '', awaitsName: true })
  else if (unit === OPEN_LIST) levels.push({ names: null, at: 0, awaitsName: false })
  else if (unit === CLOSE_OBJECT || unit === CLOSE_LIST) levels.pop()
  else if (unit === COMMA) {
    const level = levels.at(-1)
    if (typeof level?.at === 'number') level.at++
    else if (level) level.awaitsName = true
  }
}

/** False: the object has that name already. */
function enterName(level: Level, name: string): boolean {
  const isNew = level.names?.has(name) === false
  level.names?.add(name)
  level.at = name
  level.awaitsName = false
  return isNew
}

function nameOf(quoted: string): string {
  return quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1)
}

function endOfText(text: string, start: number): number {
  let position = start + 1
  for (;;) {
    const unit = text.charCodeAt(position)
    if (unit === BACKSLASH) position += 2
    else if (unit === QUOTE || Number.isNaN(unit)) return position + 1
    else position++
  }
}

/** Letters of `true`, `false` and `null` are none, for a number has to have begun. */
function isOfNumber(unit: number): boolean {
  return (unit >= 0x30 && unit <= 0x39) || unit === 0x2d
}

/** Of a number without its exponent. */
function endOfDigits(text: string, start: number): number {
  let end = start + 1
  for (let unit = text.charCodeAt(end); isOfNumber(unit) || unit === POINT; unit = text.charCodeAt(end)) end++
  return end
}

function isOfExponent(unit: number): boolean {
  return unit === 0x65 || unit === 0x45
}

function endOfNumber(text: string, from: number): number {
  let end = from
  while (isOfNumber(text.charCodeAt(end)) || '.eE+'.includes(text.charAt(end) || ' ')) end++
  return end
}
