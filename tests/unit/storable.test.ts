import { describe, expect, test } from 'vitest'
import { storableText, storableValue, unstorableTexts } from '../../lib/storable.ts'

describe('a text that PostgreSQL cannot keep', () => {
  test('is found wherever it is, keys included', () => {
    const value = { fine: ['x', '😀'], list: ['a\0'], deep: { 'k\ud83d': 1 } }
    expect(unstorableTexts(value, 'input').map(({ path }) => path)).toEqual(['input.list[0]', 'input.deep'])
  })

  test('is replaced one character at a time, and whole pairs stay', () => {
    expect(storableText('a\0b\ud83d😀\udc00')).toBe('a\ufffdb\ufffd😀\ufffd')
    expect(storableValue({ 'k\0': ['\0', 1, null] })).toEqual({ 'k\ufffd': ['\ufffd', 1, null] })
  })

  test('a value without one stays the object that it is', () => {
    const value = { text: 'Größe 😀', list: [1, true, null] }
    expect(storableValue(value)).toBe(value)
  })
})
