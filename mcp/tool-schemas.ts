/**
 * Arguments and results against the schemas of a tool. What cannot be checked is passed on: a schema that cannot be used
 * is the server's slip, and never that of the arguments. It concerns one tool, not its neighbours. References to other
 * documents are never fetched.
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

export interface Checked {
  /** Empty if it fits, or if nothing is known about it. Places, not values. */
  problems: string[]
  /** Why the schema cannot be used; undefined if it can. */
  unusable?: string
}

/** Throws SCHEMA_TOO_COSTLY. */
export async function validateArguments(
  { inputSchema, name }: ToolDefinition,
  args: unknown,
  organization: string,
): Promise<Checked> {
  return check(inputSchema, args, { organization, subject: `the input schema of tool ${name}` })
}

/** Nothing is known of what a tool declares nothing about, and of an error. Throws SCHEMA_TOO_COSTLY. */
export async function validateResult(
  { outputSchema, name }: ToolDefinition,
  { isError, structuredContent }: ToolResult,
  organization: string,
): Promise<Checked> {
  if (!outputSchema || isError) return { problems: [] }
  if (structuredContent === undefined)
    return { problems: [`tool ${name} declares an output schema and answers without structured content`] }
  const subject = `the output schema of tool ${name}`
  return check(outputSchema, structuredContent, { organization, subject })
}

/** Both schemas of the tool, each looked at with an empty value. For people. */
export async function schemaWarnings(
  { name, inputSchema, outputSchema }: ToolDefinition,
  organization: string,
): Promise<string[]> {
  const input = await check(inputSchema, {}, { organization, subject: `the input schema of tool ${name}` })
  const output = outputSchema
    ? await check(outputSchema, {}, { organization, subject: `the output schema of tool ${name}` })
    : undefined
  return [
    ...(input.unusable ? [`${input.unusable}; arguments are passed on as they are`] : []),
    ...(output?.unusable ? [`${output.unusable}; results are taken as they are`] : []),
  ]
}

// No own check of the schema: it would load the meta schemas each time, and what does not compile is reported anyway.
async function check(
  schema: Record<string, unknown>,
  value: unknown,
  { organization, subject }: { organization: string; subject: string },
): Promise<Checked> {
  const unusable = (why: string): Checked => ({
    problems: [],
    unusable: `${cleanText(subject)} cannot be used: ${cleanText(why)}`,
  })
  if (lengthOf(schema) > MAX_SCHEMA_LENGTH) return unusable('it is too large')
  try {
    const options = { organization, isChecked: false }
    const checked = await checkValue(schema as JsonObject, value as JsonValue, options)
    return checked.ok ? { problems: messagesOf(checked.misfits) } : unusable(checked.message)
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
