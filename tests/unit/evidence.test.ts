/** What looks for secrets finds them: else finding none would mean nothing. */
import { describe, expect, test } from 'vitest'
import { formsOf } from '../support/evidence.ts'

const SECRET = 'pwd-0123456789abcdef'

describe('a secret', () => {
  test.each(['', 'a', 'ab', 'abc', 'user:', 'Bearer '])(
    'behind “%s” is found in base64, whatever follows',
    (before) => {
      for (const after of ['', 'z', 'zz', 'zzz', '@host/name']) {
        const base64 = Buffer.from(before + SECRET + after).toString('base64')
        expect(formsOf(SECRET).filter((form) => base64.includes(form))).toHaveLength(1)
      }
    },
  )

  test('that is another one is not', () => {
    const base64 = Buffer.from(`user:pwd-9123456789abcdef@host`).toString('base64')
    expect(formsOf(SECRET).filter((form) => base64.includes(form))).toEqual([])
  })
})
