/** The table of doors that are opened on purpose still fits the code: opening them all takes minutes, this none. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { DOORS } from '../attack/doors.ts'

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

/** Titles of tests, where `%s` stands for anything, and what stands before them in a title is that of a group. */
function titlesOf(source: string): RegExp[] {
  const titles = [...source.matchAll(/^ *(?:test\(|\]\)\(|test\.each.*\]\)\()'((?:[^'\\]|\\.)+)'/gm)]
  return titles.map(([, title = '']) => {
    const literal = title.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('%s', '.+')
    return new RegExp(`(^| )${literal}$`)
  })
}
