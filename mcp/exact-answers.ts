/**
 * Answers of servers whose numbers, fields or letters would be others once they are read. Their texts are looked at before
 * the SDK does, and such a result gets a note, so that nobody takes it for what the server has said.
 */
import { inexactPlaces } from '../lib/exact-json.ts'

/** Field of a result: what of it cannot be kept. A server that sets it itself only loses its own answer. */
export const INEXACT = 'countersign/inexact'

/** What of a message we keep; a listing may name bounds of 64 bits in its schemas. */
const KEPT = /^(?:\[\d+\]\.)?result(?:$|\.(?:structuredContent|content|isError)\b)/
const MAX_TOLD = 3

/** Of an answer with bytes that are no text: nobody knows what they should have been. */
export const NOT_UTF8 = 'it is not in UTF-8'

/** Of a text that is JSON; null where everything is kept as it is. */
export function inexactNote(text: string): string | null {
  const places = inexactPlaces(text).filter(({ path }) => KEPT.test(path))
  if (places.length === 0) return null
  return places
    .slice(0, MAX_TOLD)
    .map(({ path, message }) => `${path} ${message}`)
    .join('; ')
}
