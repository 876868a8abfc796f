/** How deep and how many the values of a JSON text are, before anybody makes them: whatever is too much costs one reading of the text. */

export interface Shape {
  depth: number
  /** As `Size` counts them: lists, objects, texts, numbers, truths and nulls, and names in objects. */
  parts: number
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const BACKSLASH = 0x5c
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const LAST_SPACE = 0x20

/** What of the bounds the text goes over first; null if it keeps both. It need not be valid. */
export function excessOf(text: string, most: Shape): keyof Shape | null {
  return measured(text, most).excess
}

/** Of the whole text; beyond `most` it is not counted on. */
export function partsOf(text: string, most: number): number {
  return measured(text, { depth: Number.POSITIVE_INFINITY, parts: most }).parts
}

function measured(text: string, most: Shape): { excess: keyof Shape | null; parts: number } {
  let depth = 0
  let parts = 1
  let isOpened = false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit <= LAST_SPACE) continue
    const closes = unit === CLOSE_LIST || unit === CLOSE_OBJECT
    // The first value of a list, or the first name of an object: no comma stands before it.
    if (isOpened && !closes) parts++
    isOpened = unit === OPEN_LIST || unit === OPEN_OBJECT
    if (unit === QUOTE) i = endOfText(text, i)
    else if (unit === COMMA || unit === COLON) parts++
    else if (isOpened) depth++
    else if (closes) depth--
    if (depth > most.depth) return { excess: 'depth', parts }
    if (parts > most.parts) return { excess: 'parts', parts }
  }
  return { excess: null, parts }
}

/** Position of the quote that ends the text begun at `start`, or of the end. */
export function endOfText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === BACKSLASH) i++
    else if (unit === QUOTE) return i
  }
  return text.length
}
