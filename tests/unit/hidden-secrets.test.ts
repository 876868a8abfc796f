/** A secret is found in whatever form a server likes to quote it, and nothing else is. */
import { describe, expect, it } from 'vitest'
import { hiddenPart, hiding } from '../../lib/hidden-secrets.ts'

const TOKEN = 'tok+9/a&b"c d'
const PAIR = Buffer.from('robot-account:p4ss').toString('base64')
const ADDRESS = 'postgres://reporting:pa%2Fss%40w@db.example/books?sslmode=verify-full&sslpassword=opensesame'

const base64 = (text: string) => Buffer.from(text).toString('base64')

describe('what is hidden', () => {
  it.each<[string, string, string]>([
    ['as it is', TOKEN, `it was ${TOKEN}!`],
    ['without its scheme', `Bearer ${TOKEN}`, `it was ${TOKEN}!`],
    ['percent-encoded', TOKEN, `?t=${encodeURIComponent(TOKEN)}`],
    ['percent-encoded in lower case', TOKEN, `?t=${encodeURIComponent(TOKEN).toLowerCase()}`],
    ['as JSON', TOKEN, JSON.stringify({ token: TOKEN })],
    ['as HTML', TOKEN, '<p>tok+9/a&amp;b&quot;c d</p>'],
    ['in base64', TOKEN, base64(TOKEN)],
    ['in base64 after something', TOKEN, base64(`x${TOKEN}y`)],
    ['in base64 after something longer', TOKEN, base64(`xy${TOKEN}`)],
    ['in base64 for addresses', `${TOKEN}??>>`, Buffer.from(`${TOKEN}??>>`).toString('base64url')],
    ['as the pair of basic authentication', `Basic ${PAIR}`, 'you are robot-account:p4ss'],
    ['as its password', PAIR, 'wrong password p4ss'],
    ['as its long name', PAIR, 'no account robot-account'],
    ['as the password of an address', ADDRESS, 'wrong password pa/ss@w'],
    ['as that password encoded', ADDRESS, 'at reporting:pa%2Fss%40w@db'],
    ['as a parameter of an address', ADDRESS, 'wrong opensesame'],
    ['as its first line', 'line-one\nline-two', 'got line-one'],
  ])('is a secret %s', (_how, secret, text) => {
    const shown = hiding([secret])(text)
    expect(shown).toContain('[secret]')
    for (const part of [TOKEN, 'robot-account', 'p4ss', 'pa/ss', 'pa%2Fss', 'opensesame', 'line-one'])
      expect(shown).not.toContain(part)
    if (text === base64(text)) expect(Buffer.from(shown, 'base64').toString()).not.toContain(TOKEN)
  })

  it('is a bundle of certificates, whole and line by line, however large it is', () => {
    const line = (n: number): string => `${String(n).padStart(6, '0')}+/${base64(`line ${n} of the bundle`)}`
    for (const lines of [50, 500, 3_000]) {
      const bundle = Array.from({ length: lines }, (_none, n) => line(n)).join('\n')
      const hide = hiding(['hunter2-hunter2', bundle])
      expect(hide(`a ${line(lines - 1)} and hunter2-hunter2`)).toBe('a [secret] and [secret]')
      expect(hide(`${bundle}!`)).toBe('[secret]!')
      expect(hide(encodeURIComponent(line(7)))).toBe('[secret]')
      const other = { text: `nothing of it ${'x'.repeat(1_000)}` }
      expect(hide(other)).toBe(other)
    }
  })

  it('is found in keys, values and errors, at any depth', () => {
    const hide = hiding(['hunter2-hunter2', '1234567890'])
    const value = { a: [{ 'x hunter2-hunter2': 'hunter2-hunter2', n: 1_234_567_890 }], b: true, c: null }
    expect(hide(value)).toEqual({ a: [{ 'x [secret]': '[secret]', n: '[secret]' }], b: true, c: null })
    expect(hide(new Error('for hunter2-hunter2')).message).toBe('for [secret]')
  })
})

describe('what is left alone', () => {
  it('is the very same value where there is nothing to hide', () => {
    const value = { a: [{ b: 'text', n: 12 }], c: [1, 2, null] }
    expect(hiding(['hunter2-hunter2'])(value)).toBe(value)
    expect(hiding([])(value)).toBe(value)
  })

  it('are words that are a part of a secret only by chance, and secrets that are too short to be looked for', () => {
    expect(hiding(['abc'])('abc')).toBe('abc')
    expect(hiding([ADDRESS])('verify-full at db.example for books')).toBe(
      'verify-full at db.example for books',
    )
    expect(hiding([Buffer.from('admin:secretword').toString('base64')])('role admin')).toBe('role admin')
    expect(hiding(['12345'])(12_345)).toBe(12_345)
  })
})

describe('of a text of which only a part is looked at', () => {
  const SECRET = 'hunter2-hunter2'
  const part = (text: string, keep: 'start' | 'end') =>
    hiddenPart(text, { secrets: [SECRET], most: 100, keep })

  it('nothing is left out if it is short', () => {
    expect(part(`a ${SECRET} b`, 'start')).toBe('a [secret] b')
  })

  it.each<['start' | 'end']>([['start'], ['end']])(
    'no part of a secret is shown that stands across the %s',
    (keep) => {
      for (let at = 80; at < 160; at++) {
        const [before, after] = ['.'.repeat(at), '.'.repeat(1_000)]
        const shown = part(keep === 'start' ? before + SECRET + after : after + SECRET + before, keep)
        expect(shown.length).toBeGreaterThan(80)
        // A part of it has one of these, and what stands in its place has none.
        expect(shown).not.toMatch(/[hun2-]/)
      }
    },
  )
})

describe('what it takes to find the parts of a secret', () => {
  // With the square of the length it is seconds.
  it.each<[string, (length: number) => string]>([
    ['colons', (length) => `${':'.repeat(length)}/`],
    ['colons in base64', (length) => base64(`${':'.repeat(length)}\0\0`)],
    ['an address', (length) => `postgres://${':'.repeat(length)}`],
    ['words', (length) => 'a '.repeat(length)],
    ['blanks', (length) => `a${' '.repeat(length)}\0`],
    ['lines', (length) => 'abcd\n'.repeat(length)],
  ])('is hardly more for many %s than to read them', (_what, secretOf) => {
    const before = process.cpuUsage()
    hiding([secretOf(60_000)])
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000)
  })
})
