/** Texts that are shortened: never in the middle of a character, for half of one is no text that can be sent or kept. */

/** Its first `most` UTF-16 units; one less where the last would be the first half of a character. */
export function startOf(text: string, most: number): string {
  const isHalf = (text.codePointAt(most - 1) ?? 0) > 0xffff
  return text.slice(0, isHalf ? most - 1 : most)
}

/** Whoever reads it sees that there was more. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${startOf(text, most)}…`
}
