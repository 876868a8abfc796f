/**
 * JSON by chance, and what of it can be kept: texts with every kind of character, numbers with more digits than a double
 * has, names that objects have of themselves, and nesting. What can be kept is said without the code under test.
 */
import type { JsonValue } from '../../lib/json.ts'
import type { Chance } from '../chaos/random.ts'
import { decimalOf, exactDecimal } from './decimals.ts'

export interface RandomValue {
  /** As somebody would send it. */
  text: string
  /** As a parser reads it; the same only if the numbers are exact. */
  value: JsonValue
  isExact: boolean
  /** It has no U+0000 and no half of a character. */
  isStorable: boolean
}

const NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'length',
  'then',
]
const PIECES = [
  '',
  ' ',
  'abc',
  'Größe',
  '👍',
  '👩‍👩‍👧',
  'e\u0301',
  '\ufeff',
  '\u202e',
  '\u2028',
  '\u200b',
  '\u0007\u001b[31m',
  '\uffff',
  '\ufffd',
  '\r\n',
  '\t',
  '"',
  '\\',
  "'; drop table accounts; --",
  '{',
  '}}',
  '$1',
  '%s',
  '`',
  '|',
  '# h\n- [x](javascript:1)',
  '<b>&amp;',
  '~no: {yaml}',
  'null',
  '0x10',
  '2026-10-01T12:00:00.123456Z',
]
/** What cannot be kept, and comes only where it is asked for. */
const ODD_PIECES = ['\0', '\ud83d', '\udc4d', 'a\ud83d\ud83d b']

interface Wanted {
  /** Texts that cannot be kept, numbers that are not exact, names that stand twice. */
  odd: boolean
  depth: number
}

export function randomText(chance: Chance, odd = false): string {
  const pieces = Array.from({ length: chance.below(6) }, () => {
    if (odd && chance.happens(0.3)) return chance.pick(ODD_PIECES)
    return chance.happens(0.3) ? String.fromCodePoint(codePoint(chance)) : chance.pick(PIECES)
  })
  const text = pieces.join('')
  return chance.happens(0.05) ? text.repeat(50) : text
}

export function randomValue(chance: Chance, wanted: Wanted = { odd: false, depth: 4 }): RandomValue {
  const text = randomJson(chance, wanted)
  const texts = [...text.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([quoted]) => JSON.parse(quoted) as string)
  return {
    text,
    value: JSON.parse(text) as JsonValue,
    isExact: isExact(text),
    isStorable: texts.every((one) => !/[\0\p{Surrogate}]/u.test(one)),
  }
}

/** Lists and objects in each other, with a value at the end. */
export function nestedText(chance: Chance, depth: number): string {
  const opened = Array.from({ length: depth }, () => chance.pick(['[', '{"a":']))
  const closed = opened.toReversed().map((open) => (open === '[' ? ']' : '}'))
  return `${opened.join('')}1${closed.join('')}`
}

function randomJson(chance: Chance, wanted: Wanted): string {
  const { odd, depth } = wanted
  const inside = { ...wanted, depth: depth - 1 }
  const kind = chance.below(depth > 0 ? 10 : 6)
  if (kind < 3) return JSON.stringify(randomText(chance, odd))
  if (kind < 5) return randomNumber(chance, odd)
  if (kind < 6) return chance.pick(['null', 'true', 'false'])
  const count = chance.below(4)
  if (kind < 8) return `[${Array.from({ length: count }, () => randomJson(chance, inside)).join(', ')}]`
  const names = Array.from({ length: count }, () =>
    chance.happens(0.4) ? chance.pick(NAMES) : randomText(chance, odd),
  )
  const own = odd ? names : [...new Set(names)]
  return `{${own.map((name) => `${JSON.stringify(name)}: ${randomJson(chance, inside)}`).join(', ')}}`
}

function randomNumber(chance: Chance, odd: boolean): string {
  for (;;) {
    const text = decimalOf(chance)
    if (odd || isExactNumber(text)) return text
  }
}

function isExactNumber(text: string): boolean {
  return exactDecimal(text) === exactDecimal(String(Number(text)))
}

/** Written again with the fields that were read, it has the same numbers in the same order. */
function isExact(text: string): boolean {
  const numbersIn = (json: string): string[] =>
    json.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? []
  const written = numbersIn(text)
  if (!written.every(isExactNumber)) return false
  const namesIn = (json: string): number =>
    json.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/"":/g)?.length ?? 0
  return namesIn(text) === namesIn(JSON.stringify(JSON.parse(text)))
}

function codePoint(chance: Chance): number {
  const most = chance.pick([0x7f, 0x7ff, 0xd7ff, 0x10ffff])
  const point = 1 + chance.below(most)
  return point >= 0xd800 && point <= 0xdfff ? 0xe000 : point
}
