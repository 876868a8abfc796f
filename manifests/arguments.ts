/** Literal arguments against the schema of whoever takes them. */
import { compileSchema, messageOf, pointerParts, type Misfit } from '../lib/json-schema.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { pathText } from '../lib/path-text.ts'
import { place } from './document.ts'
import type { ProblemPlace } from '../schemas/problem.ts'

/** A schema that cannot be used is the matter of whoever wrote it: it is told when it is called. */
export function argumentPlaces(
  path: string,
  args: JsonObject | string,
  inputSchema: JsonObject | undefined,
): ProblemPlace[] {
  if (inputSchema === undefined || typeof args === 'string') return []
  const schema = compileSchema(inputSchema)
  if (!schema.ok) return []
  const templated = Object.keys(args).filter((name) => holdsTemplate(args[name] ?? null))
  return schema
    .misfitsOf(args)
    .filter((error) => isAboutLiterals(error, templated))
    .map((error) => place('argument', pathText(path, pointerParts(error.instancePath)), messageOf(error)))
}

/** What a template becomes is not known yet, so an error counts only if no template can make it go away. */
function isAboutLiterals(error: Misfit, templated: readonly string[]): boolean {
  if (templated.length === 0) return true
  const [name] = pointerParts(error.instancePath)
  if (name !== undefined) return !templated.includes(String(name)) && !dependsOnOthers(error)
  return error.keyword === 'required' || error.keyword === 'additionalProperties'
}

/** Inside branches of the whole, such as `anyOf`, another argument may decide which branch holds. */
function dependsOnOthers(error: Misfit): boolean {
  return !error.schemaPath.startsWith('#/properties/') && !error.schemaPath.startsWith('#/$defs/')
}

function holdsTemplate(value: JsonValue): boolean {
  return JSON.stringify(value).includes('${{')
}
