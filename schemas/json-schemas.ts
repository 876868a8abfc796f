/**
 * JSON Schemas of documents that people write, for their editors. They follow from the zod schemas, so they say what is
 * accepted in form; what goes beyond form (references, expressions) is told by `countersign validate`.
 */
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { TestFileSchema } from './automation-tests.ts'
import { DESCRIPTIONS, TEST_DESCRIPTIONS } from './descriptions.ts'
import { ManifestSchema } from './manifests.ts'

/** By the name under which they are printed and served. */
export const JSON_SCHEMAS = {
  manifest: () => jsonSchemaOf('Manifest of Countersign', ManifestSchema, DESCRIPTIONS),
  test: () => jsonSchemaOf('Tests of an automation of Countersign', TestFileSchema, TEST_DESCRIPTIONS),
} as const satisfies Record<string, () => JsonObject>

type Descriptions = Readonly<Record<string, string>>

/** Of the form as people write it: what has a default may be left out. */
function jsonSchemaOf(title: string, schema: z.ZodType, descriptions: Descriptions): JsonObject {
  const { $schema = '', ...rest } = z.toJSONSchema(schema, { io: 'input' }) as JsonObject
  return { $schema, title, ...(described(rest, '', descriptions) as JsonObject) }
}

/** `around`: the field that the node is the value of. */
function described(node: JsonValue, around: string, descriptions: Descriptions): JsonValue {
  if (node === null || typeof node !== 'object') return node
  if (Array.isArray(node)) return node.map((item) => described(item, around, descriptions))
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === 'properties'
        ? describedFields(value as JsonObject, around, descriptions)
        : described(value, around, descriptions),
    ]),
  )
}

function describedFields(fields: JsonObject, around: string, descriptions: Descriptions): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => {
      const description = descriptions[`${around}.${name}`] ?? descriptions[name]
      const inner = described(schema, name, descriptions) as JsonObject
      return [name, description === undefined ? inner : { description, ...inner }]
    }),
  )
}
