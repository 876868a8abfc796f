/** What a zod schema would take at a place of a value: the keys of the object there, or the words. For hints. */
import type { z } from 'zod'

type Schema = z.core.$ZodType

/** Every schema that the value at the path may be meant for. */
function schemasAt(schema: Schema, value: unknown, path: readonly PropertyKey[]): Schema[] {
  const def = (schema as z.core.$ZodTypes)._zod.def
  switch (def.type) {
    case 'lazy':
      return schemasAt(def.getter(), value, path)
    case 'optional':
    case 'nullable':
    case 'default':
      return schemasAt(def.innerType, value, path)
    case 'union':
      return meant(def.options, value).flatMap((option) => schemasAt(option, value, path))
    default:
  }
  const [key, ...rest] = path
  if (key === undefined) return [schema]
  const inner: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined
  if (def.type === 'array') return schemasAt(def.element, inner, rest)
  if (def.type === 'record') return schemasAt(def.valueType, inner, rest)
  const field = def.type === 'object' ? def.shape[String(key)] : undefined
  return field ? schemasAt(field, inner, rest) : []
}

/** Of the forms of a union those that share most with the value: its words count more than its keys. */
function meant(options: readonly Schema[], value: unknown): readonly Schema[] {
  const scores = options.map((option) => likeness(option, value))
  return options.filter((_option, index) => scores[index] === Math.max(...scores))
}

function likeness(option: Schema, value: unknown): number {
  const { def } = (option as z.core.$ZodTypes)._zod
  if (def.type === 'union') return Math.max(...def.options.map((one) => likeness(one, value)))
  if (def.type !== 'object' || typeof value !== 'object' || value === null) return 0
  return Object.entries(value).reduce((sum, [key, inner]) => {
    const field = def.shape[key]
    if (!field) return sum
    return sum + (field._zod.values?.has(inner as z.core.util.Primitive) ? 100 : 1)
  }, 0)
}

export function keysAt(schema: Schema, value: unknown, path: readonly PropertyKey[]): string[] {
  const keys = schemasAt(schema, value, path).flatMap((found) => {
    const { def } = (found as z.core.$ZodTypes)._zod
    return def.type === 'object' ? Object.keys(def.shape) : []
  })
  return [...new Set(keys)]
}

/** The words that one of the forms of a union asks for under a key. */
export function wordsAt(schema: Schema, value: unknown, path: readonly PropertyKey[]): string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod
  const [key, ...rest] = path
  if (key === undefined) return [...(schema._zod.values ?? [])].map(String)
  if (rest.length > 0 || def.type !== 'union') {
    const found = schemasAt(schema, value, path)
    return [...new Set(found.flatMap((one) => wordsAt(one, undefined, [])))]
  }
  const words = def.options
    .flatMap((option) => schemasAt(option, value, path))
    .flatMap((one) => wordsAt(one, null, []))
  return [...new Set(words)]
}
