/**
 * Answers of servers whose numbers, or fields, the SDK would change while it reads them. Their texts are looked at before
 * it does, and such a result gets a note, so that nobody takes it for what the server has said.
 */
import { inexactPlaces } from '../lib/exact-json.ts'

/** Field of a result: what of it cannot be kept. A server that sets it itself only loses its own answer. */
export const INEXACT = 'countersign/inexact'

/** What of a message we keep; a listing may name bounds of 64 bits in its schemas. */
const KEPT = /^(?:\[\d+\]\.)?result(?:$|\.(?:structuredContent|content|isError)\b)/
const MAX_TOLD = 3

/** Of a text that is JSON; null where everything is kept as it is. */
export function inexactNote(text: string): string | null {
  const places = inexactPlaces(text).filter(({ path }) => KEPT.test(path))
  if (places.length === 0) return null
  return places
    .slice(0, MAX_TOLD)
    .map(({ path, message }) => `${path} ${message}`)
    .join('; ')
}
