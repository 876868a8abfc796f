/** Whether what somebody answers fits the form of a question. */
import { messageOf, pointerParts, type Misfit } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { LIMITS, readableBytes, utf8Bytes } from './limits.ts'
import { pathText } from './path-text.ts'
import { checkValue, type Owner } from './schema-check.ts'
import { CodedError } from '../schemas/errors.ts'

const MAX_PLACES = 10

/** In words; null if it is short enough. */
export function tooLong(answer: JsonValue): string | null {
  const bytes = utf8Bytes(JSON.stringify(answer))
  if (bytes <= LIMITS.answerBytes) return null
  return `the answer: ${readableBytes(bytes)}, at most ${readableBytes(LIMITS.answerBytes)}`
}

/** Null if it does; else each place of the answer that does not, or why nobody can tell. */
export async function misfit(
  form: JsonObject,
  answer: JsonValue,
  organization: Owner,
): Promise<string | null> {
  try {
    const checked = await checkValue(form, answer, { organization })
    return checked.ok ? placesIn(checked.misfits) : `its form is not a usable JSON Schema: ${checked.message}`
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'SCHEMA_TOO_COSTLY') throw error
    return `its form cannot be used: ${error.message}`
  }
}

function placesIn(misfits: readonly Misfit[]): string | null {
  const places = misfits.slice(0, MAX_PLACES).map((error) => {
    return `${pathText('answer', pointerParts(error.instancePath))}: ${messageOf(error)}`
  })
  return places.length === 0 ? null : places.join('; ')
}
