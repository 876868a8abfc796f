/** Numbers and names of a JSON text that JSON.parse would change without a word. */
import { describe, expect, it } from 'vitest'
import { inexactPlaces, parseExactJson, parseWithTexts } from '../../lib/exact-json.ts'
import { survives } from '../../lib/exact-numbers.ts'
import { chanceOf } from '../chaos/random.ts'
import { decimalOf, exactDecimal } from '../support/decimals.ts'

describe('a number', () => {
  it.each([
    '0',
    '-0',
    '0.0',
    '-0.0e5',
    '7',
    '-7',
    '1.10',
    '0.1',
    '1e3',
    '1E+3',
    '100e-2',
    '9007199254740991',
    '9007199254740992',
    '123456789012345680000',
    '1e23',
    '1.7976931348623157e308',
    '5e-324',
    '0e999999999',
    '1234567890123456.8',
  ])('%s survives', (text) => expect(survives(text)).toBe(true))

  it.each([
    '9007199254740993',
    '-9007199254740993',
    '12345678901234567890',
    '1e400',
    '-1e400',
    '1e-400',
    '0.1000000000000000055',
    '1234567890123456.78',
    '1.00000000000000000001',
    '1e999999999',
    'NaN',
    'Infinity',
    '',
    '0x10',
    ' 1',
  ])('%s does not', (text) => expect(survives(text)).toBe(false))

  it('survives exactly if the double that is kept is written as the same decimal', () => {
    const chance = chanceOf('decimals')
    for (let i = 0; i < 20_000; i++) {
      const text = decimalOf(chance)
      expect([text, survives(text)]).toEqual([
        text,
        exactDecimal(text) === exactDecimal(String(Number(text))),
      ])
    }
  })

  // With a pattern that backtracks these would take hours.
  it('of a million digits is judged like any other', () => {
    expect(survives(`1${'0'.repeat(1_000_000)}1`)).toBe(false)
    expect(survives(`0.${'0'.repeat(1_000_000)}`)).toBe(true)
    expect(survives(`0.${'0'.repeat(1_000_000)}x`)).toBe(false)
  })
})

const pathsOf = (text: string): string[] => inexactPlaces(text).map(({ path }) => path)

describe('a text', () => {
  it('has in it what does not survive, and no other number', () => {
    const chance = chanceOf('decimals in a text')
    for (let i = 0; i < 20_000; i++) {
      const text = decimalOf(chance)
      expect([text, pathsOf(`{"a":[0,${text}],"b":1}`)]).toEqual([text, survives(text) ? [] : ['a[1]']])
    }
  })

  it.each<[string, string[]]>([
    ['9007199254740993', ['']],
    ['{"a": {"b": [1, 9007199254740993, 3]}}', ['a.b[1]']],
    ['[[], {}, [[1e400]], {"x": 0.1000000000000000055}]', ['[2][0][0]', '[3].x']],
    ['{"a": 1, "a": 1}', ['a']],
    ['{"a": 1, "\\u0061": 1}', ['a']],
    ['{"x": {"a": 1}, "y": {"a": 1}}', []],
    ['[{"a": 1}, {"a": 1, "b": {"a": 2, "a": 3}}]', ['[1].b.a']],
    ['{"a b": 12345678901234567890}', ['["a b"]']],
    ['{"t": "9007199254740993 \\" , {", "n": null, "f": false, "e": "", "u": "\\\\"}', []],
    ['{"a": "a", "b": "a", "c": ["a", "a"]}', []],
    ['{"__proto__": 1, "constructor": 2, "__proto__": 3}', ['__proto__']],
    [' { "a" : [ ] , "b" : 1E400 } ', ['b']],
  ])('%s', (text, expected) => expect(pathsOf(text)).toEqual(expected))

  it('says what to do, and gives the value beside', () => {
    const { value, places } = parseExactJson('{"row": 9007199254740993}')
    expect(value).toEqual({ row: 9007199254740992 })
    expect(places).toEqual([
      {
        path: 'row',
        rule: 'exact',
        message: 'is a number that cannot be kept exactly',
        hint: 'Write it as text.',
      },
    ])
    expect(() => parseExactJson('{')).toThrow(SyntaxError)
  })

  it('of somebody else keeps such numbers as texts', () => {
    expect(parseWithTexts('["9007199254740993", 9007199254740993, {"a": [1.10, 1e400]}]')).toEqual([
      '9007199254740993',
      '9007199254740993',
      { a: [1.1, '1e400'] },
    ])
    expect(parseWithTexts('{"a": 1, "a": 0.1000000000000000055}')).toEqual({ a: '0.1000000000000000055' })
  })

  it('with thousands of such places names the first ones', () => {
    expect(pathsOf(`[${'1e400,'.repeat(5_000)}0]`)).toHaveLength(20)
  })

  it('is left alone if it was written by JSON.stringify', () => {
    const chance = chanceOf('values')
    for (let i = 0; i < 500; i++) {
      const text = JSON.stringify(valueOf(chance, 4))
      expect([text, pathsOf(text)]).toEqual([text, []])
    }
  })
})

function valueOf(chance: ReturnType<typeof chanceOf>, depth: number): unknown {
  const size = chance.below(4)
  const kind = chance.below(depth > 0 ? 6 : 4)
  if (kind === 0) return Number(decimalOf(chance)) || 0
  if (kind === 1) return chance.pick(['', '"', '\\', '{"a":1e400', '9007199254740993', 'é👍', '[', '\\"'])
  if (kind === 2) return chance.pick([true, false, null])
  if (kind === 3) return chance.below(1_000_000) / 1_000
  const items = Array.from({ length: size }, () => valueOf(chance, depth - 1))
  if (kind === 4) return items
  return Object.fromEntries(
    items.map((item, index) => [`${chance.pick(['a', '"', '\\', '1', '{'])}${index}`, item]),
  )
}
