/** Errors of the API that say where: several places of one request may be wrong, and are told at once. */
import { CodedError, type ErrorCode } from '../schemas/errors.ts'
import type { ProblemPlace } from '../schemas/problem.ts'

const PLACES_IN_DETAIL = 3

export class PlacedError extends CodedError {
  readonly places: readonly ProblemPlace[]

  constructor(code: ErrorCode, places: readonly ProblemPlace[]) {
    super(code, detailOf(places))
    this.name = 'PlacedError'
    this.places = places
  }
}

/** `${path}: ${message}` of the first few. */
function detailOf(places: readonly ProblemPlace[]): string {
  const shown = places.slice(0, PLACES_IN_DETAIL).map(({ path, message }) => `${path}: ${message}`)
  const rest = places.length - shown.length
  return `${shown.join('; ')}${rest > 0 ? `; and ${rest} more` : ''}.`
}
