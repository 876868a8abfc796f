/**
 * Values against schemas that others wrote: a server, or whoever saves an automation. A pattern can take years over
 * forty characters, and a schema can make as many checks as it has places times those of the value. So the main thread
 * does only what is bounded by its form; all else is done in a thread with a deadline, in which organizations take turns.
 */
import { CodedError } from '../schemas/errors.ts'
import { canonicalJson } from './canonical-json.ts'
import { compileSchema } from './json-schema.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { SCHEMA_TIMEOUT_MS } from './limits.ts'
import type { SchemaAnswer, SchemaRequest } from './threads/schema.ts'
import { createThreadPool } from './threads/pool.ts'

const THREAD_HEAP_MB = 128
/** Of a schema, its lists, objects and texts: compiling so much takes 60 ms at most [measured]. */
const MAX_SMALL_PLACES = 300
const MAX_SMALL_DEPTH = 24
/** Places of the schema times those of the value: each may be held against each. */
const MAX_SMALL_WORK = 50_000
const CHARACTERS_OF_A_PLACE = 16
/** Then compiling it here costs less than asking a thread again and again. */
const USES_BEFORE_COMPILING = 5
const MAX_COUNTED_SCHEMAS = 1_000
/** What takes longer than its length: patterns, and what is looked at again and again. */
const UNBOUNDED = new Set([
  'pattern',
  'patternProperties',
  'format',
  'uniqueItems',
  '$ref',
  '$dynamicRef',
  '$recursiveRef',
])

/** Whose turn it is. Null: whoever runs this process has written the schema, so it is checked here. */
export type Owner = string | null

const threads = createThreadPool<SchemaRequest, SchemaAnswer | 'too costly'>({
  entry: new URL('./threads/schema', import.meta.url),
  heapMb: THREAD_HEAP_MB,
})
/** Null: not for the main thread. Callers keep the object of a schema that they use again. */
const small = new WeakMap<object, { places: number; key: string } | null>()
/** How often each was asked for: whoever never shows the same one twice has them all compiled in threads. */
const uses = new Map<string, number>()

/**
 * What is wrong with the value, or why the schema cannot be used. `isChecked`: see `compileSchema`. Throws
 * SCHEMA_TOO_COSTLY, UNAVAILABLE.
 */
export async function checkValue(
  schema: JsonObject,
  value: JsonValue,
  { organization, isChecked = true }: { organization: Owner; isChecked?: boolean },
): Promise<SchemaAnswer> {
  if (organization === null || isForThisThread(schema, value)) {
    const compiled = compileSchema(schema, isChecked)
    return compiled.ok ? { ok: true, misfits: compiled.misfitsOf(value) } : compiled
  }
  const request = { schema, value, isChecked }
  const reply = await threads.ask(request, { owner: organization, timeoutMs: SCHEMA_TIMEOUT_MS })
  if (reply.isAnswered && reply.answer !== 'too costly') return reply.answer
  const isMemory = !reply.isAnswered && reply.over === 'memory'
  const most = isMemory ? `${THREAD_HEAP_MB} MB of memory` : `${SCHEMA_TIMEOUT_MS} ms of a processor`
  throw new CodedError('SCHEMA_TOO_COSTLY', `it takes more than ${most}`)
}

function isForThisThread(schema: JsonObject, value: JsonValue): boolean {
  const known = smallSchema(schema)
  return known !== null && isLittleWork(known.places, value) && isUsedOften(known.key)
}

function smallSchema(schema: JsonObject): { places: number; key: string } | null {
  let known = small.get(schema)
  if (known === undefined) {
    const places = placesIn(schema, MAX_SMALL_PLACES, UNBOUNDED)
    known = places > MAX_SMALL_PLACES ? null : { places, key: canonicalJson(schema) }
    small.set(schema, known)
  }
  return known
}

function isUsedOften(key: string): boolean {
  const before = uses.get(key) ?? 0
  uses.delete(key)
  if (uses.size >= MAX_COUNTED_SCHEMAS) uses.delete(uses.keys().next().value ?? '')
  uses.set(key, before + 1)
  return before >= USES_BEFORE_COMPILING
}

function isLittleWork(schemaPlaces: number, value: unknown): boolean {
  const most = MAX_SMALL_WORK / Math.max(schemaPlaces, 1)
  return placesIn(value, most) <= most
}

/** Counted up to a little over `most`. More than that, too, if it is too deep or has a name that must not be in it. */
function placesIn(value: unknown, most: number, refused: ReadonlySet<string> = new Set(), depth = 0): number {
  if (typeof value === 'string') return 1 + value.length / CHARACTERS_OF_A_PLACE
  if (typeof value !== 'object' || value === null) return 1
  if (depth > MAX_SMALL_DEPTH) return Number.POSITIVE_INFINITY
  let places = 1
  for (const [name, item] of Object.entries(value)) {
    if (refused.has(name)) return Number.POSITIVE_INFINITY
    places += name.length / CHARACTERS_OF_A_PLACE + placesIn(item, most - places, refused, depth + 1)
    if (places > most) return places
  }
  return places
}
