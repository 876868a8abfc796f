/**
 * Arguments and results against the schemas of a tool. A schema that cannot be used gives a message about itself, never
 * an exception: it concerns one tool, not its neighbours. References to other documents are never fetched.
 */
import type { ErrorObject } from 'ajv'
import type { JsonObject } from '../lib/json.ts'
import { compileOnce } from '../lib/json-schema.ts'
import { cleanText } from './errors.ts'
import type { ToolDefinition, ToolResult } from './port.ts'

type Check = (value: unknown) => string[]

const MAX_MESSAGES = 10
const MAX_SCHEMA_LENGTH = 256 * 1024

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

// No own check of the schema: it would load the meta schemas each time, and what does not compile is reported anyway.
function compile(schema: Record<string, unknown>, subject: string): Check {
  const tooLarge = JSON.stringify(schema).length > MAX_SCHEMA_LENGTH
  const compiled = tooLarge
    ? ({ ok: false, message: 'it is too large' } as const)
    : compileOnce(schema as JsonObject, { validateSchema: false })
  if (compiled.ok) return (value) => messagesOf(compiled.errorsOf(value))
  return () => [`${cleanText(subject)} cannot be used: ${cleanText(compiled.message)}`]
}

function messagesOf(errors: ErrorObject[]): string[] {
  return errors.slice(0, MAX_MESSAGES).map(({ instancePath, message, params }) => {
    const extra: unknown = params['additionalProperty']
    const name = typeof extra === 'string' ? ` (${extra})` : ''
    return cleanText(`${instancePath || '/'} ${message ?? 'does not fit'}${name}`)
  })
}
