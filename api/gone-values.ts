/** A value that cannot be given any more is told in its place, so that all the rest of a run can still be seen. */
import { CodedError } from '../schemas/errors.ts'

/** Throws whatever is no PAYLOAD_UNAVAILABLE. */
export function goneValue(error: unknown): { code: string; message: string } {
  if (!(error instanceof CodedError) || error.code !== 'PAYLOAD_UNAVAILABLE') throw error
  return { code: error.code, message: error.message }
}
