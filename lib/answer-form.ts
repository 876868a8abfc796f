/** Whether what somebody answers fits the form of a question. */
import { messageOf, pointerParts } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { pathText } from './path-text.ts'
import { checkValue, type Owner } from './schema-check.ts'

const MAX_PLACES = 10

/** Null if it does; else each place of the answer that does not. Throws SCHEMA_TOO_COSTLY. */
export async function misfit(
  form: JsonObject,
  answer: JsonValue,
  organization: Owner,
): Promise<string | null> {
  const checked = await checkValue(form, answer, { organization })
  if (!checked.ok) return `its form is not a usable JSON Schema: ${checked.message}`
  if (checked.misfits.length === 0) return null
  const places = checked.misfits.slice(0, MAX_PLACES).map((error) => {
    return `${pathText('answer', pointerParts(error.instancePath))}: ${messageOf(error)}`
  })
  return places.join('; ')
}
