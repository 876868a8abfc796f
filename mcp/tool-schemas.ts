/**
 * Arguments and results against the schemas of a tool. A schema that cannot be used gives a message about itself, never
 * an exception, but for one that takes too long: it concerns one tool, not its neighbours. References to other documents
 * are never fetched.
 */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import type { Misfit } from '../lib/json-schema.ts'
import { checkValue } from '../lib/schema-check.ts'
import { CodedError } from '../schemas/errors.ts'
import { cleanText } from './errors.ts'
import type { ToolDefinition, ToolResult } from './port.ts'

const MAX_MESSAGES = 10
const MAX_SCHEMA_LENGTH = 256 * 1024

/** A catalog keeps the object of an unchanged definition, so each schema is measured once. */
const lengths = new WeakMap<object, number>()

/** Empty if the arguments fit. Messages name places, not values. Throws SCHEMA_TOO_COSTLY. */
export async function validateArguments(
  definition: ToolDefinition,
  args: unknown,
  organization: string,
): Promise<string[]> {
  const { inputSchema, name } = definition
  return problemsOf(inputSchema, args, { organization, subject: `the input schema of tool ${name}` })
}

/** Empty if the result fits, if the tool declares nothing about it, or if it is an error. Throws SCHEMA_TOO_COSTLY. */
export async function validateResult(
  { outputSchema, name }: ToolDefinition,
  { isError, structuredContent }: ToolResult,
  organization: string,
): Promise<string[]> {
  if (!outputSchema || isError) return []
  if (!structuredContent)
    return [`tool ${name} declares an output schema and answers without structured content`]
  const subject = `the output schema of tool ${name}`
  return problemsOf(outputSchema, structuredContent, { organization, subject })
}

// No own check of the schema: it would load the meta schemas each time, and what does not compile is reported anyway.
async function problemsOf(
  schema: Record<string, unknown>,
  value: unknown,
  { organization, subject }: { organization: string; subject: string },
): Promise<string[]> {
  const unusable = (why: string): string[] => [`${cleanText(subject)} cannot be used: ${cleanText(why)}`]
  if (lengthOf(schema) > MAX_SCHEMA_LENGTH) return unusable('it is too large')
  try {
    const options = { organization, isChecked: false }
    const checked = await checkValue(schema as JsonObject, value as JsonValue, options)
    return checked.ok ? messagesOf(checked.misfits) : unusable(checked.message)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    throw new CodedError(error.code, `${cleanText(subject)}: ${error.message}`, { cause: error })
  }
}

function lengthOf(schema: object): number {
  const known = lengths.get(schema)
  if (known !== undefined) return known
  const { length } = JSON.stringify(schema)
  lengths.set(schema, length)
  return length
}

function messagesOf(misfits: readonly Misfit[]): string[] {
  return misfits.slice(0, MAX_MESSAGES).map(({ instancePath, message, params }) => {
    const extra: unknown = params['additionalProperty']
    const name = typeof extra === 'string' ? ` (${extra})` : ''
    return cleanText(`${instancePath || '/'} ${message ?? 'does not fit'}${name}`)
  })
}
