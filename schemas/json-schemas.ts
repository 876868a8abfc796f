/**
 * JSON Schemas of documents that people write, for their editors. They follow from the zod schemas, so they say what is
 * accepted in form; what goes beyond form (references, expressions) is told by `countersign validate`.
 */
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { DESCRIPTIONS } from './descriptions.ts'
import { ManifestSchema } from './manifests.ts'

/** By the name under which they are printed and served. */
export const JSON_SCHEMAS = {
  manifest: () => jsonSchemaOf('Manifest of Countersign', ManifestSchema),
} as const satisfies Record<string, () => JsonObject>

/** Of the form as people write it: what has a default may be left out. */
function jsonSchemaOf(title: string, schema: z.ZodType): JsonObject {
  const { $schema = '', ...rest } = z.toJSONSchema(schema, { io: 'input' }) as JsonObject
  return { $schema, title, ...(described(rest, '') as JsonObject) }
}

/** `around`: the field that the node is the value of. */
function described(node: JsonValue, around: string): JsonValue {
  if (node === null || typeof node !== 'object') return node
  if (Array.isArray(node)) return node.map((item) => described(item, around))
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === 'properties' ? describedFields(value as JsonObject, around) : described(value, around),
    ]),
  )
}

function describedFields(fields: JsonObject, around: string): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => {
      const description = DESCRIPTIONS[`${around}.${name}`] ?? DESCRIPTIONS[name]
      const inner = described(schema, name) as JsonObject
      return [name, description === undefined ? inner : { description, ...inner }]
    }),
  )
}
