/**
 * Arguments and results against the schemas of a tool. A schema that cannot be used gives a message about itself, never
 * an exception: it concerns one tool, not its neighbours. References to other documents are never fetched.
 */
import { Ajv } from 'ajv'
import type { ErrorObject, Options, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { cleanText } from './errors.ts'
import type { ToolDefinition, ToolResult } from './port.ts'

type Check = (value: unknown) => string[]

const MAX_MESSAGES = 10
const MAX_SCHEMA_LENGTH = 256 * 1024
// Not strict: unknown keywords and formats of foreign schemas are legal. No own check of the schema: it would load the
// meta schemas each time, and what does not compile is reported anyway.
const OPTIONS: Options = { strict: false, validateSchema: false, allErrors: true, logger: false }

/** A catalog keeps the object of an unchanged definition, so each schema is compiled once. */
const checks = new WeakMap<object, Check>()

/** Empty if the arguments fit. Messages name places, not values. */
export function validateArguments(definition: ToolDefinition, args: unknown): string[] {
  return checkFor(definition.inputSchema, `the input schema of tool ${definition.name}`)(args)
}

/** Empty if the result fits, if the tool declares nothing about it, or if it is an error. */
export function validateResult(definition: ToolDefinition, result: ToolResult): string[] {
  if (!definition.outputSchema || result.isError) return []
  if (!result.structuredContent) {
    return [`tool ${definition.name} declares an output schema and answers without structured content`]
  }
  return checkFor(
    definition.outputSchema,
    `the output schema of tool ${definition.name}`,
  )(result.structuredContent)
}

function checkFor(schema: Record<string, unknown>, subject: string): Check {
  const known = checks.get(schema)
  if (known) return known
  const check = compile(schema, subject)
  checks.set(schema, check)
  return check
}

function compile(schema: Record<string, unknown>, subject: string): Check {
  try {
    if (JSON.stringify(schema).length > MAX_SCHEMA_LENGTH) throw new Error('it is too large')
    const validate = compiler(schema)(schema)
    return (value) => (validate(value) ? [] : messagesOf(validate.errors ?? []))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return () => [`${cleanText(subject)} cannot be used: ${cleanText(reason)}`]
  }
}

/** A new Ajv for each schema, because an instance keeps all it has seen, and refuses a second one with the same `$id`. */
function compiler({
  $schema,
}: Record<string, unknown>): (schema: Record<string, unknown>) => ValidateFunction {
  const isOld = typeof $schema === 'string' && /draft-0[467]/.test($schema)
  const ajv = isOld ? new Ajv(OPTIONS) : new Ajv2020(OPTIONS)
  addFormats.default(ajv)
  // With its dialect chosen, the name of it would only be looked up as a document.
  return ({ $schema: _dialect, ...schema }) => ajv.compile(schema)
}

function messagesOf(errors: ErrorObject[]): string[] {
  return errors.slice(0, MAX_MESSAGES).map(({ instancePath, message, params }) => {
    const extra: unknown = params['additionalProperty']
    const name = typeof extra === 'string' ? ` (${extra})` : ''
    return cleanText(`${instancePath || '/'} ${message ?? 'does not fit'}${name}`)
  })
}
