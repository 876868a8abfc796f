/**
 * The table of doors that are opened on purpose still fits the code, the attacks and the page about them: opening them
 * all takes minutes, this none.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DOORS } from '../attack/doors.ts'
import { WITHOUT_DOOR } from '../attack/without-door.ts'

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

describe.each(DOORS)('the door “$name”', ({ patches, test: { file, title } }) => {
  test('replaces texts that are there, once each', () => {
    for (const { file: patched, find, replace } of patches) {
      expect([patched, find, read(patched).split(find).length - 1]).toEqual([patched, find, 1])
      expect(replace).not.toBe(find)
    }
  })

  test('names a test that is there', () => {
    const titles = titlesOf(read(`tests/attack/${file}`))
    expect(titles.filter((pattern) => pattern.test(title))).toHaveLength(1)
  })
})

const names = new Set(DOORS.map(({ name }) => name))
const files = readdirSync(new URL('../attack', import.meta.url)).filter((file) => file.endsWith('.test.ts'))

describe.each(files)('each test of %s', (file) => {
  const opened = DOORS.filter(({ test: { file: of } }) => of === file)
  const without: Partial<Record<string, string>> = WITHOUT_DOOR[file] ?? {}

  test('has a door, or a reason to have none', () => {
    for (const { literal, pattern } of testsOf(read(`tests/attack/${file}`))) {
      const hasDoor = opened.some(({ test: { title } }) => pattern.test(title))
      expect([literal, hasDoor || literal in without]).toEqual([literal, true])
      expect([literal, hasDoor && literal in without]).toEqual([literal, false])
    }
  })

  test('that has none is there, and names a door that is', () => {
    const literals = testsOf(read(`tests/attack/${file}`)).map(({ literal }) => literal)
    for (const [literal, why] of Object.entries(without)) {
      expect(literals).toContain(literal)
      for (const name of namesIn(why ?? '')) expect(names).toContain(name)
    }
  })
})

describe('the page about attacks', () => {
  const page = read('docs/security/attacks.md').split('\n## What is not defended', 1)[0] ?? ''

  test('names every door, and no other', () => {
    const named = page.split('\n').flatMap((line) => namesIn(doorsPartOf(line)))
    expect(new Set(named)).toEqual(names)
  })

  test('has a door for every attack', () => {
    const attacks = page
      .split(/\n###? /)
      .filter((section) => section.includes('Line: ') || section.includes('| door |'))
    expect(attacks.length).toBeGreaterThan(12)
    for (const attack of attacks) {
      expect([attack, namesIn(attack).some((name) => names.has(name))]).toEqual([attack, true])
    }
    const rows = attacks.flatMap((section) => section.split('\n').filter((line) => /^\| (?!-)/.test(line)))
    // A door, or in so many words that there is no line that one could open.
    for (const row of rows.filter((line) => !line.endsWith('| door |')))
      expect(row).toMatch(/\*.+\* \||\| no line: .+ \|$/)
  })
})

test('the table of opened doors has a row for each that is there, once, and each bites', () => {
  const [, table = ''] = read('docs/security/attacks.md').split('\n## The doors, opened', 2)
  const rows = [...table.matchAll(/^\| (?!door )(.+?) \| .*? \| .*? \| (.+?) \|/gm)]
  expect(rows.map(([, name]) => name)).toEqual(DOORS.map(({ name }) => name))
  expect(new Set(rows.map(([, , verdict]) => verdict))).toEqual(new Set(['bites']))
})

const namesIn = (text: string): string[] =>
  [...text.matchAll(/(?<!\*)\*([^*]+)\*(?!\*)/g)].map(([, name = '']) => name)

/** The last cell of a row; of a sentence, what stands behind the word. */
function doorsPartOf(line: string): string {
  if (line.startsWith('|')) return line.split('|').at(-2) ?? ''
  return line
    .split(/\bdoors?:? (?=\*)/i)
    .slice(1)
    .join(' ')
}

/** Titles of tests, where `%s` stands for anything, and what stands before them in a title is that of a group. */
function titlesOf(source: string): RegExp[] {
  return testsOf(source).map(({ pattern }) => pattern)
}

function testsOf(source: string): { literal: string; pattern: RegExp }[] {
  const titles = [
    ...source.matchAll(/^ *(?:(?:test|it)\(|\]\)\(|(?:test|it)\.each.*\]\)\()\s*'((?:[^'\\]|\\.)+)'/gm),
  ]
  return titles.map(([, literal = '']) => {
    const escaped = literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/%[sj]/g, '.+')
    return { literal, pattern: new RegExp(`(^| )${escaped}$`) }
  })
}
