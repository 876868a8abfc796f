/**
 * Values against JSON Schemas (2020-12, or an older draft if the schema says so). References to other documents are
 * never fetched. Takes as long as the schema wants: `checkValue` of schema-check.ts is for those of others.
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { canonicalJson } from './canonical-json.ts'
import type { JsonObject } from './json.ts'

/** A place of the value, and what the schema asks of it. Plain data: it goes from thread to thread. */
export type Misfit = Pick<ErrorObject, 'keyword' | 'instancePath' | 'schemaPath' | 'message' | 'params'>

export type CompiledSchema =
  { ok: true; misfitsOf: (value: unknown) => Misfit[] } | { ok: false; message: string }

// Not strict: unknown keywords are legal in JSON Schema.
// `ownProperties`: names that every object has, such as `constructor`, are in a value only if it brings them.
const OPTIONS: Options = { strict: false, allErrors: true, logger: false, ownProperties: true }
const MAX_CACHED_SCHEMAS = 200

const cache = new Map<string, CompiledSchema>()

/**
 * Compiling costs milliseconds, so the last ones are kept; the same schema always gives the same answers. `isChecked`:
 * the schema itself is held against that of schemas.
 */
export function compileSchema(schema: JsonObject, isChecked = true): CompiledSchema {
  const key = `${isChecked}${canonicalJson(schema)}`
  const known = cache.get(key)
  if (known) return known
  const compiled = compileOnce(schema, isChecked)
  if (cache.size >= MAX_CACHED_SCHEMAS) cache.delete(cache.keys().next().value ?? '')
  cache.set(key, compiled)
  return compiled
}

function compileOnce(schema: JsonObject, isChecked: boolean): CompiledSchema {
  if (schema['$async'] !== undefined) return { ok: false, message: '$async is not part of JSON Schema' }
  const compiled = tryToCompile(schema, { isChecked })
  if (compiled.ok || isChecked || !/regular expression/i.test(compiled.message)) return compiled
  // Patterns of servers are often written for engines that know no flag `u`, such as `^https\:\/\/`.
  const older = tryToCompile(schema, { isChecked, unicodeRegExp: false })
  return older.ok ? older : compiled
}

function tryToCompile(
  schema: JsonObject,
  { isChecked, ...options }: { isChecked: boolean; unicodeRegExp?: boolean },
): CompiledSchema {
  const isOld = isOldDialect(schema['$schema'])
  const plain = withoutDialect(schema)
  try {
    const checker = checkerOf(isOld)
    if (isChecked && checker.validateSchema(plain) !== true)
      return { ok: false, message: `schema is invalid: ${checker.errorsText()}` }
    const validate = createAjv(isOld, { ...OPTIONS, ...options, validateSchema: false }).compile(plain)
    return { ok: true, misfitsOf: (value) => misfitsOf(validate, value) }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
}

const checkers = new Map<boolean, Ajv | Ajv2020>()

/** For schemas themselves, of which it keeps none: to compile the schema of schemas takes ten times as long as a schema. */
function checkerOf(isOld: boolean): Ajv | Ajv2020 {
  const checker = checkers.get(isOld) ?? createAjv(isOld, OPTIONS)
  checkers.set(isOld, checker)
  return checker
}

/** A new one each time: an Ajv keeps all schemas it has seen and refuses a second one with the same `$id`. */
function createAjv(isOld: boolean, options: Options): Ajv | Ajv2020 {
  const ajv = isOld ? new Ajv(options) : new Ajv2020(options)
  addFormats.default(ajv)
  return ajv
}

function isOldDialect(dialect: unknown): boolean {
  return typeof dialect === 'string' && /draft-0[467]/.test(dialect)
}

/** Once the dialect is chosen its name would only be looked up as a document. */
function withoutDialect({ $schema: _dialect, ...schema }: JsonObject): JsonObject {
  return schema
}

function misfitsOf(validate: ValidateFunction, value: unknown): Misfit[] {
  if (validate(value) === true) return []
  return (validate.errors ?? []).map(
    ({ keyword, instancePath, schemaPath, message = 'does not fit', params }) => ({
      keyword,
      instancePath,
      schemaPath,
      message,
      params: params as Misfit['params'],
    }),
  )
}

/** `.lines[0].note`, empty for the value itself, from a JSON pointer. */
export function pointerParts(pointer: string): (string | number)[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^(0|[1-9]\d*)$/.test(part) ? Number(part) : part))
}

/** What is wrong, without the value. */
export function messageOf({ message = 'does not fit', params }: Misfit): string {
  const extra: unknown = params['additionalProperty'] ?? params['unevaluatedProperty']
  const allowed: unknown = params['allowedValues']
  if (typeof extra === 'string') return `${message}: ${extra}`
  return Array.isArray(allowed) ? `${message}: ${allowed.slice(0, 10).map(String).join(', ')}` : message
}
