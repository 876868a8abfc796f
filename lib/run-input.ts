/** The input of a run: it fits the automation's schema, and the database can keep it. Every door to a run asks here. */
import type { ProblemPlace } from '../schemas/problem.ts'
import { compileSchema, messageOf, pointerParts } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { pathText } from './path-text.ts'

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

/** PostgreSQL has no U+0000 in text, and UTF-8 no half of a surrogate pair. */
export function unstorableTexts(value: JsonValue, path: string): ProblemPlace[] {
  if (typeof value === 'string') return isStorable(value) ? [] : [unstorable(path)]
  if (value === null || typeof value !== 'object') return []
  if (Array.isArray(value)) return value.flatMap((item, index) => unstorableTexts(item, `${path}[${index}]`))
  return Object.entries(value).flatMap(([key, item]) =>
    isStorable(key) ? unstorableTexts(item, pathText(path, [key])) : [unstorable(path)],
  )
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && !/\p{Surrogate}/u.test(text)
}

function unstorable(path: string): ProblemPlace {
  return {
    path,
    rule: 'storable',
    message: 'holds a character that cannot be kept (U+0000 or half of a pair)',
    hint: 'Leave the character out.',
  }
}
