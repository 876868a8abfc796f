/** The input of a run: it fits the automation's schema, and the database can keep it. Every door to a run asks here. */
import type { ProblemPlace } from '../schemas/problem.ts'
import { compileSchema, messageOf, pointerParts } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { pathText } from './path-text.ts'
import { unstorableTexts } from './storable.ts'

/** Every place that does not fit. Without a schema anything goes that can be kept. */
export function inputPlaces(schema: JsonObject | undefined, input: JsonValue): ProblemPlace[] {
  return [...unstorableTexts(input, 'input'), ...misfits(schema, input)]
}

function misfits(source: JsonObject | undefined, input: JsonValue): ProblemPlace[] {
  if (source === undefined) return []
  const schema = compileSchema(source)
  if (!schema.ok)
    return [
      {
        path: 'input',
        rule: 'json-schema',
        message: `the automation's input schema is broken: ${schema.message}`,
      },
    ]
  return schema.errorsOf(input).map((error) => ({
    path: pathText('input', pointerParts(error.instancePath)),
    rule: 'argument',
    message: messageOf(error),
  }))
}
