/** The fields of a zod schema as rows of a table: from its JSON Schema, with the meanings that its comments give. */
import { z } from 'zod'
import {
  DurationSchema,
  NameSchema,
  PrincipalIdSchema,
  RoleSchema,
  StepNameSchema,
} from '../../schemas/common.ts'
import { IdentifierSchema } from '../../schemas/sql.ts'
import { ExpressionSchema, StepsSchema } from '../../schemas/steps.ts'
import type { DocComments } from './doc-comments.ts'
import { code } from './markdown.ts'

type JsonSchema = z.core.JSONSchema.JSONSchema

const REQUIRED = '**required**'

export interface FieldOptions {
  /** The constant in which the comments are looked for. */
  constant: string
  comments: DocComments
  /** Schemas that have a place of their own, and what is written instead of their fields. */
  known?: ReadonlyMap<z.core.$ZodType, string>
  io?: 'input' | 'output'
  /** The page that explains the forms of texts, if it is another one. */
  formsPage?: string
}

const NAMED: ReadonlyMap<z.core.$ZodType, string> = new Map<z.core.$ZodType, string>([
  [NameSchema, '[name](#forms)'],
  [StepNameSchema, '[step name](#forms)'],
  [DurationSchema, '[duration](#forms)'],
  [RoleSchema, '[role](#forms)'],
  [PrincipalIdSchema, '[principal](#forms)'],
  [IdentifierSchema, '[SQL identifier](#forms)'],
  [ExpressionSchema, '[expression](expressions.md)'],
  [StepsSchema, '[steps](#steps)'],
])

function namedType(schema: z.core.$ZodType, { formsPage = '' }: FieldOptions): string | undefined {
  return NAMED.get(schema)?.replace('](#', `](${formsPage}#`)
}

/** `[field, type, default, meaning]`, nested ones with dots. */
export function fieldRows(schema: z.ZodType, options: FieldOptions): string[][] {
  const json = z.toJSONSchema(schema, {
    io: options.io ?? 'input',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ zodSchema, jsonSchema }) => {
      const label =
        (zodSchema as z.core.$ZodType) === schema
          ? undefined
          : (options.known?.get(zodSchema) ?? namedType(zodSchema, options))
      if (label !== undefined) jsonSchema.title = label
    },
  })
  return rowsOf(json, { options, root: json, prefix: [], path: [] })
}

interface Place {
  options: FieldOptions
  root: JsonSchema
  /** As written, with `<name>` and `[]`. */
  prefix: readonly string[]
  /** As the comments know it. */
  path: readonly string[]
}

function rowsOf(schema: JsonSchema, place: Place): string[][] {
  const { properties = {}, required = [] } = schema
  return Object.entries(properties).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return []
    const here = { ...place, prefix: [...place.prefix, name], path: [...place.path, name] }
    const isRequired = required.includes(name) && place.options.io !== 'output'
    const fallback =
      property.default === undefined ? (isRequired ? REQUIRED : '') : code(JSON.stringify(property.default))
    const row = [
      code(here.prefix.join('.')),
      typeOf(property, place.root),
      fallback,
      place.options.comments(place.options.constant, here.path),
    ]
    return [row, ...nestedRows(property, here)]
  })
}

/** Into objects, lists of them, maps of them; not into what is described elsewhere. */
function nestedRows(property: JsonSchema, place: Place): string[][] {
  if (property.title !== undefined) return []
  const schema = resolved(property, place.root)
  if (schema.title !== undefined) return []
  if (schema.properties !== undefined) return rowsOf(schema, place)
  for (const option of [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    if (typeof option !== 'boolean' && option.properties !== undefined) {
      return [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
        .flatMap((each) => (typeof each === 'boolean' ? [] : nestedRows(each, place)))
        .map(([field = '', type = '', fallback = '', meaning = '']) => {
          return [field, type, fallback === REQUIRED ? 'one of them' : fallback, meaning]
        })
    }
  }
  const item = [schema.items].flat()[0]
  if (typeof item === 'object') return nestedRows(item, withSuffix(place, '[]'))
  const value = schema.additionalProperties
  return typeof value === 'object' ? nestedRows(value, { ...place, prefix: [...place.prefix, '<name>'] }) : []
}

function withSuffix(place: Place, suffix: string): Place {
  const last = place.prefix.at(-1) ?? ''
  return { ...place, prefix: [...place.prefix.slice(0, -1), `${last}${suffix}`] }
}

function typeOf(schema: JsonSchema, root: JsonSchema): string {
  const target = resolved(schema, root)
  const label = schema.title ?? target.title
  if (label !== undefined) return label
  if (target.const !== undefined) return code(JSON.stringify(target.const))
  if (target.enum !== undefined) return target.enum.map((value) => code(String(value))).join(', ')
  const options = [...(target.anyOf ?? []), ...(target.oneOf ?? [])]
  if (options.length > 0) return optionsType(options, root)
  switch (target.type) {
    case 'array': {
      const item = [target.items].flat()[0]
      return `list of ${typeof item === 'object' ? typeOf(item, root) : 'any JSON'}${between(target.minItems, target.maxItems)}`
    }
    case 'object':
      return objectType(target, root)
    case 'string':
      return `text${target.format === 'date-time' ? ', ISO 8601' : ''}${between(undefined, target.maxLength)}`
    case 'integer':
      return `whole number${between(target.minimum, target.maximum)}`
    default:
      return [target.type ?? 'any JSON'].flat().join(' or ').replace('string', 'text')
  }
}

function optionsType(options: readonly (JsonSchema | boolean)[], root: JsonSchema): string {
  const types = options.map((option) => (typeof option === 'boolean' ? 'any JSON' : typeOf(option, root)))
  return [...new Set(types)].join(' or ')
}

function objectType(schema: JsonSchema, root: JsonSchema): string {
  if (schema.properties !== undefined) return 'object'
  const value = schema.additionalProperties
  const inner = typeof value === 'object' ? typeOf(value, root) : 'any JSON'
  return inner === 'any JSON' ? 'object of any JSON' : `map of ${inner}`
}

/** JavaScript's own bounds are none of ours. */
function between(from: number | undefined, to: number | undefined): string {
  const least = from === undefined || from === 0 || from === Number.MIN_SAFE_INTEGER ? '' : `at least ${from}`
  const most =
    to === undefined || to === Number.MAX_SAFE_INTEGER ? '' : `at most ${to.toLocaleString('en-US')}`
  const both = [least, most].filter((text) => text !== '').join(', ')
  return both === '' ? '' : ` (${both})`
}

/** A recursive one that has no name is “any JSON”: nothing else in our schemas is. */
function resolved(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const name = /^#\/\$defs\/(.+)$/.exec(schema.$ref ?? '')?.[1]
  const found = name === undefined ? undefined : root.$defs?.[name]
  if (typeof found !== 'object') return schema
  return found.title === undefined ? {} : found
}
