/** The input of a run: it fits the automation's schema, and a run can keep it. Every door to a run asks here. */
import type { ProblemPlace } from '../schemas/problem.ts'
import { messageOf, pointerParts } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { MAX_VALUE_SIZE, sizeOf, tooLarge } from './limits.ts'
import { pathText } from './path-text.ts'
import { checkValue, type Owner } from './schema-check.ts'
import { unstorableTexts } from './storable.ts'

/** Every place that does not fit. Without a schema anything goes that can be kept. Throws SCHEMA_TOO_COSTLY. */
export async function inputPlaces(
  schema: JsonObject | undefined,
  input: JsonValue,
  organization: Owner,
): Promise<ProblemPlace[]> {
  const problem = tooLarge('the input', sizeOf(input), MAX_VALUE_SIZE)
  if (problem !== null) return [{ path: 'input', rule: 'limit', message: problem }]
  return [...unstorableTexts(input, 'input'), ...(await misfits(schema, input, organization))]
}

async function misfits(
  source: JsonObject | undefined,
  input: JsonValue,
  organization: Owner,
): Promise<ProblemPlace[]> {
  if (source === undefined) return []
  const checked = await checkValue(source, input, { organization })
  if (!checked.ok)
    return [
      {
        path: 'input',
        rule: 'json-schema',
        message: `the automation's input schema is broken: ${checked.message}`,
      },
    ]
  return checked.misfits.map((error) => ({
    path: pathText('input', pointerParts(error.instancePath)),
    rule: 'argument',
    message: messageOf(error),
  }))
}
