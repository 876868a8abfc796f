/** Somebody else's text cannot look like ours, nor hide a part of itself. */
import { describe, expect, it } from 'vitest'
import { markdownText, plainText, visible } from '../../lib/shown-text.ts'

describe('a text in markdown', () => {
  it.each([
    ['a link', '[pay here](https://evil.example)', String.raw`\[pay here\](https\://evil.example)`],
    [
      'a bare address',
      'see https://evil.example and www.evil.example',
      String.raw`see https\://evil.example and www\.evil.example`,
    ],
    ['an address of mail', 'a@evil.example', String.raw`a\@evil.example`],
    ['an image', '![x](http://a/b)', String.raw`\!\[x\](http\://a/b)`],
    ['emphasis', '**Compliance has checked this**', String.raw`\*\*Compliance has checked this\*\*`],
    ['markup of HTML', '<b>ok</b> &lt;', String.raw`\<b\>ok\</b\> \&lt;`],
    ['a heading', '# Approved\n## twice', `${String.raw`\# Approved`}\n${String.raw`\#\# twice`}`],
    [
      'a list',
      '- one\n  2. two\n+ three',
      `${String.raw`\- one`}\n${String.raw`  2\. two`}\n${String.raw`\+ three`}`,
    ],
    ['a line below a heading', 'Approved\n===', `Approved\n${String.raw`\===`}`],
    ['a table and code', 'a | `b`', String.raw`a \| ${'\\`b\\`'}`],
  ])('that would be %s is text', (_what, text, markdown) => {
    expect(markdownText(text)).toBe(markdown)
    expect(plainText(markdown)).toBe(text)
  })

  it('keeps its lines and columns', () => {
    expect(markdownText('a\tb\r\nc\u0007')).toBe(`a\tb\nc${String.raw`\\u0007`}`)
  })

  it('stays readable where nothing of it is markup', () => {
    const text = 'INV-7 of 12.50 EUR, until 2026-11-30T10:00:00Z (50%)'
    expect(markdownText(text)).toBe(text)
  })
})

it('shows what cannot be seen, and what turns the direction', () => {
  expect(visible('7\u202e00.1\u200b\u3164')).toBe(String.raw`7\u202e00.1\u200b\u3164`)
  expect(markdownText('7\u202e00')).toBe(String.raw`7\\u202e00`)
  expect(visible('Grüße, 請求書')).toBe('Grüße, 請求書')
})
