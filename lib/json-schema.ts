/**
 * Values against JSON Schemas that people wrote (2020-12, or an older draft if the schema says so). References to
 * other documents are never fetched.
 */
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { canonicalJson } from './canonical-json.ts'
import { withinTime } from './within-time.ts'
import type { JsonObject } from './json.ts'

export type CompiledSchema =
  { ok: true; errorsOf: (value: unknown) => ErrorObject[] } | { ok: false; message: string }

// Not strict: unknown keywords are legal in JSON Schema.
const OPTIONS: Options = { strict: false, allErrors: true, logger: false }
const MAX_CACHED_SCHEMAS = 200
/** Of the thread that everything else runs on; far less than a heartbeat may be late. */
const CHECK_TIMEOUT_MS = 1_000

const cache = new Map<string, CompiledSchema>()

/** Compiling costs milliseconds, so the last ones are kept; the same schema always gives the same answers. */
export function compileSchema(schema: JsonObject): CompiledSchema {
  const key = canonicalJson(schema)
  const known = cache.get(key)
  if (known) return known
  const compiled = compileOnce(schema)
  if (cache.size >= MAX_CACHED_SCHEMAS) cache.delete(cache.keys().next().value ?? '')
  cache.set(key, compiled)
  return compiled
}

/** Without the cache, for those who keep what it gives. `validateSchema`: whether the schema itself is checked. */
export function compileOnce(
  schema: JsonObject,
  options: Pick<Options, 'validateSchema'> = {},
): CompiledSchema {
  if (schema['$async'] !== undefined) return { ok: false, message: '$async is not part of JSON Schema' }
  try {
    const validate = createAjv(schema['$schema'], { ...OPTIONS, ...options }).compile(withoutDialect(schema))
    return { ok: true, errorsOf: (value) => errorsOf(validate, value) }
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) }
  }
}

/** A new one each time: an Ajv keeps all schemas it has seen and refuses a second one with the same `$id`. */
function createAjv(dialect: unknown, options: Options): Ajv | Ajv2020 {
  const isOld = typeof dialect === 'string' && /draft-0[467]/.test(dialect)
  const ajv = isOld ? new Ajv(options) : new Ajv2020(options)
  addFormats.default(ajv)
  return ajv
}

/** Once the dialect is chosen its name would only be looked up as a document. */
function withoutDialect({ $schema: _dialect, ...schema }: JsonObject): JsonObject {
  return schema
}

/** A pattern can take years over forty characters, and whoever wrote the schema need not mean well. */
function errorsOf(validate: ValidateFunction, value: unknown): ErrorObject[] {
  const checked = withinTime(() => validate(value), CHECK_TIMEOUT_MS)
  if (checked.ended) return checked.value === true ? [] : (validate.errors ?? [])
  const message = `takes more than ${CHECK_TIMEOUT_MS} ms to be checked: a pattern of the schema is too expensive`
  return [{ keyword: 'timeout', instancePath: '', schemaPath: '', params: {}, message }]
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
export function messageOf({ message = 'does not fit', params }: ErrorObject): string {
  const extra: unknown = params['additionalProperty'] ?? params['unevaluatedProperty']
  const allowed: unknown = params['allowedValues']
  if (typeof extra === 'string') return `${message}: ${extra}`
  return Array.isArray(allowed) ? `${message}: ${allowed.slice(0, 10).map(String).join(', ')}` : message
}
