/**
 * What is known of values before there are any, as JSON Schemas, and where a reference leads out of them. Only what can
 * never be there counts: an open schema, a union or a keyword that is not looked at here lets everything through.
 */
import { isJsonObject, type JsonObject } from '../lib/json.ts'
import type { StepManifest } from '../schemas/manifests.ts'

const TEXT: JsonObject = { type: 'string' }
const NOTHING: JsonObject = { type: 'null' }
const SCALARS = ['string', 'number', 'integer', 'boolean', 'null']

export const RUN_SHAPE = closed({
  id: TEXT,
  organization: TEXT,
  automation: TEXT,
  revision: { type: 'integer' },
})
export const EVENT_SHAPE = closed({ type: TEXT, data: {} })

/** Of `steps.<name>`. */
export function stepShape(step: StepManifest | undefined): JsonObject {
  return closed({
    output: step === undefined ? {} : outputShape(step),
    status: TEXT,
    error: closed({ code: TEXT, message: TEXT }, true),
    writeback: closed({ id: TEXT, status: TEXT, receipt: TEXT }, true),
  })
}

/** Where a path leaves its shape. */
export interface Gap {
  /** The part of the path that leads somewhere. */
  parent: string[]
  segment: string
  /** What `parent` has instead; undefined if it never has anything. */
  names: string[] | undefined
  type: string
}

/** `mayLack` tells of a path, from the start, that the expression asks first whether it is there. */
export function gapIn(
  shape: JsonObject,
  path: readonly string[],
  mayLack: (path: readonly string[]) => boolean,
): Gap | undefined {
  let current = shape
  for (const [depth, segment] of path.entries()) {
    if (depth === 0) continue
    if (mayLack(path.slice(0, depth + 1))) return undefined
    const next = fieldOf(current, segment)
    if (next === undefined) return undefined
    if ('lacks' in next) return { parent: path.slice(0, depth), segment, ...next.lacks }
    current = next.found
  }
  return undefined
}

type Field = { found: JsonObject } | { lacks: Pick<Gap, 'names' | 'type'> }

/** Undefined: anything may be there. */
function fieldOf(shape: JsonObject, segment: string): Field | undefined {
  const types = [shape['type']].flat().filter((type) => typeof type === 'string')
  const { properties, items } = shape
  if (types.length > 0 && types.every((type) => SCALARS.includes(type)))
    return { lacks: { names: undefined, type: types.join(' or ') } }
  if (types.length === 1 && types[0] === 'array') {
    if (!/^\d+$/.test(segment)) return { lacks: { names: undefined, type: 'array' } }
    return isJsonObject(items) ? { found: items } : undefined
  }
  // Beside a reference older drafts ignore every other keyword.
  if (!isJsonObject(properties) || shape['$ref'] !== undefined) return undefined
  const inner = Object.hasOwn(properties, segment) ? properties[segment] : undefined
  if (inner !== undefined) return isJsonObject(inner) ? { found: inner } : undefined
  const isClosed = shape['additionalProperties'] === false && shape['patternProperties'] === undefined
  return isClosed ? { lacks: { names: Object.keys(properties), type: 'object' } } : undefined
}

function outputShape(step: StepManifest): JsonObject {
  if ('sleep' in step || 'return' in step || 'fail' in step) return NOTHING
  if ('ask' in step) return step.ask.form as JsonObject
  if ('for_each' in step) return { type: 'array', items: blockShape(step.for_each.steps) }
  if (!('parallel' in step)) return {}
  const branches = Object.entries(step.parallel.branches)
  return closed(Object.fromEntries(branches.map(([name, steps]) => [name, blockShape(steps)])))
}

/** What a block gives is what its last step gives that was not skipped. */
function blockShape(steps: readonly StepManifest[]): JsonObject {
  const last = steps.at(-1)
  return last === undefined || last.if !== undefined ? {} : outputShape(last)
}

function closed(properties: JsonObject, orNull = false): JsonObject {
  return { type: orNull ? ['object', 'null'] : 'object', properties, additionalProperties: false }
}
