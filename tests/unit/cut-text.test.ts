import { createRequire } from 'node:module'
import { ApplicationFailure, defaultPayloadConverter } from '@temporalio/common'
import { describe, expect, it, test } from 'vitest'
import { encryptedFailuresPath, plainFailuresPath } from '../../codec/data-converter.ts'
import { shortened, startOf } from '../../lib/cut-text.ts'

describe('a text that is shortened', () => {
  it('is never cut in the middle of a character', () => {
    const text = 'a👍b👍'
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((most) => startOf(text, most))).toEqual([
      '',
      'a',
      'a',
      'a👍',
      'a👍b',
      'a👍b',
      'a👍b👍',
      'a👍b👍',
    ])
  })

  it('says that there was more', () => {
    expect(shortened('a👍b', 2)).toBe('a…')
    expect(shortened('a👍b', 4)).toBe('a👍b')
  })
})

test.each([
  ['as it is', plainFailuresPath],
  ['encrypted', encryptedFailuresPath],
])('a failure that is sent %s has no half of a character in any text', (_how, path) => {
  const { failureConverter } = createRequire(import.meta.url)(path) as {
    failureConverter: { errorToFailure: (error: unknown, converter: unknown) => object }
  }
  const cause = new TypeError('inside \ud83d')
  const error = ApplicationFailure.create({ type: 'ODD_\udc4d', message: 'half \ud83d 👍', cause })
  const told = JSON.stringify(failureConverter.errorToFailure(error, defaultPayloadConverter))
  expect(told).not.toMatch(/\\u(d83d|dc4d)/i)
  const plain = JSON.stringify(
    failureConverter.errorToFailure(new Error('whole 👍'), defaultPayloadConverter),
  )
  if (path === plainFailuresPath) expect(told + plain).toMatch(/half \ufffd 👍.*whole 👍/s)
})
