/** The two ways in which a value cannot be given. Temporal tries both again, and shows the code as the failure's type. */
import { CodedError } from '../schemas/errors.ts'

export function payloadUnavailable(detail: string, cause?: unknown): CodedError {
  return named(new CodedError('PAYLOAD_UNAVAILABLE', detail, { cause }))
}

/** A value of one organization that is named in a history, or by a caller, of another. */
export function payloadForbidden(detail: string): CodedError {
  return named(new CodedError('FORBIDDEN', detail))
}

/** The SDK takes the name of an error that is none of its own for the failure's type. */
function named(error: CodedError): CodedError {
  return Object.assign(error, { name: error.code })
}
