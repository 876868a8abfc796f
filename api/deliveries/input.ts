/** The input of a run: it fits the automation's schema, and the database can keep it. */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { PlacedError, pathText } from '../errors.ts'
import { compileSchema, messageOf, pointerParts } from '../json-schema.ts'

const MAX_PLACES = 50

/** Throws INVALID_INPUT with every place that does not fit. */
export function checkInput(spec: AutomationSpec, input: JsonValue): void {
  throwIfAny([...unstorableTexts(input, 'input'), ...misfits(spec, input)])
}

/** Throws INVALID_INPUT for texts that the database, and canonical JSON, cannot hold. */
export function checkTexts(input: JsonValue): void {
  throwIfAny(unstorableTexts(input, 'input'))
}

function throwIfAny(places: readonly ProblemPlace[]): void {
  if (places.length > 0) throw new PlacedError('INVALID_INPUT', places.slice(0, MAX_PLACES))
}

function misfits(spec: AutomationSpec, input: JsonValue): ProblemPlace[] {
  if (spec.input === undefined) return []
  const schema = compileSchema(spec.input as JsonObject)
  if (!schema.ok)
    return [{ path: 'input', message: `the automation's input schema is broken: ${schema.message}` }]
  return schema.errorsOf(input).map((error) => ({
    path: pathText('input', pointerParts(error.instancePath)),
    message: messageOf(error),
  }))
}

/** PostgreSQL has no U+0000 in text, and UTF-8 no half of a surrogate pair. */
function unstorableTexts(value: JsonValue, path: string): ProblemPlace[] {
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
  return { path, message: 'holds a character that cannot be kept (U+0000 or half of a pair)' }
}
