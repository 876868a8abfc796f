/** Whether what somebody answers fits the form of a question. */
import { compileSchema, messageOf, pointerParts } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { pathText } from './path-text.ts'

const MAX_PLACES = 10

/** Null if it does; else each place of the answer that does not. */
export function misfit(form: JsonObject, answer: JsonValue): string | null {
  const schema = compileSchema(form)
  if (!schema.ok) return `its form is not a usable JSON Schema: ${schema.message}`
  const errors = schema.errorsOf(answer)
  if (errors.length === 0) return null
  const places = errors.slice(0, MAX_PLACES).map((error) => {
    return `${pathText('answer', pointerParts(error.instancePath))}: ${messageOf(error)}`
  })
  return places.join('; ')
}
