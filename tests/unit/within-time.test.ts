import { describe, expect, test } from 'vitest'
import { withinTime } from '../../lib/within-time.ts'

const text = `${'a'.repeat(50)}!`

describe('work that may not end', () => {
  test('is stopped in the middle of a match', () => {
    expect(withinTime(() => /^(a+)+$/u.test(text), 50)).toEqual({ ended: false })
  })

  test('gives its value, or throws what it throws', () => {
    expect(withinTime(() => [1], 1_000)).toEqual({ ended: true, value: [1] })
    expect(() => withinTime(() => JSON.parse('{'), 1_000)).toThrow(SyntaxError)
  })

  test('may contain more of it', () => {
    const inner = () => withinTime(() => 2, 1_000)
    expect(withinTime(() => [inner(), inner()], 1_000)).toMatchObject({ value: [{ value: 2 }, { value: 2 }] })
  })
})
