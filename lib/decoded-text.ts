/** A text from its bytes, with nothing replaced in silence. */

/** At the beginning of a text, with the encoding that it names. */
const MARKS: readonly (readonly [bytes: readonly number[], encoding: string])[] = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

export type Decoded =
  | { ok: true; text: string }
  /** `isKnown`: there is such an encoding, and the bytes are no text in it. */
  | { ok: false; encoding: string; isKnown: boolean }

/** By the mark at its beginning, which is no part of the text; else in the encoding that somebody names, or UTF-8. */
export function decoded(bytes: Uint8Array, named = 'utf-8'): Decoded {
  const encoding = MARKS.find(([mark]) => startsWith(bytes, mark))?.[1] ?? named
  let isKnown = false
  try {
    const decoder = new TextDecoder(encoding, { fatal: true })
    isKnown = true
    return { ok: true, text: decoder.decode(bytes) }
  } catch {
    return { ok: false, encoding, isKnown }
  }
}

export function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, index) => bytes[index] === byte)
}
