/** Somebody else's text, where people look at it before they decide: nothing in it is hidden, and nothing of it is ours. */

/** Control characters, line ends, blanks that have no width, and marks that turn the direction of writing. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u034f\u115f\u1160\u2800\u3164\uffa0]/gu

/** Each as `\u202e`. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, escaped)
}

/** A text may have millions of them. */
export function holdsInvisible(text: string): boolean {
  return text.search(INVISIBLE) !== -1
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
}

/** What can begin a list, a heading, a quotation or a table, where a line begins. */
const LINE_START = /^([ \t]*)([-+=]|\d+(?=[.)]))/gm
/** Addresses become links even without markup. */
const LINK_START = /:(?=\/\/)|@|\.(?<=\bwww\.)/gi

/** In markdown, as nothing but text: no link, no emphasis, no list, no line that looks like one of ours. */
export function markdownText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[^\n\t]+/g, visible)
    .replace(/[\\`*_[\]<>|~!&#]/g, '\\$&')
    .replace(LINE_START, (_start, blanks: string, mark: string) =>
      /\d/.test(mark) ? `${blanks}${mark}\\` : `${blanks}\\${mark}`,
    )
    .replace(LINK_START, '\\$&')
}

/** What `markdownText` has escaped, for where markdown is shown as it is. */
export function plainText(markdown: string): string {
  return markdown.replace(/\\([!-/:-@[-`{-~])/g, '$1')
}
