/**
 * The list of tools of a server, page by page. What of it cannot be read is left out with a warning: one odd tool hides
 * neither its neighbours nor the server.
 */
import * as z from 'zod'
import type { JsonValue } from '../lib/json.ts'
import {
  jsonBytes,
  MAX_ANSWER_PARTS,
  MAX_LISTING_BYTES,
  MAX_TOOL_BYTES,
  MAX_TOOLS,
  MAX_VALUE_DEPTH,
  readableBytes,
} from '../lib/limits.ts'
import { isNestedDeeper } from '../lib/nesting.ts'
import { storableValue, unstorableTexts } from '../lib/storable.ts'
import { cleanText, LocalFailure } from './errors.ts'
import { INEXACT, NOT_UTF8 } from './exact-answers.ts'
import type { ToolDefinition, ToolListing } from './port.ts'
import type { McpSession } from './session.ts'
import { isAbsent, isFields, present } from './tolerant-messages.ts'

/** A server that never stops giving cursors would otherwise fill the memory. */
const MAX_LISTING_PAGES = 100
const MAX_WARNINGS = 50
const OBJECTS = ['inputSchema', 'outputSchema', 'annotations']

const ListingPage = z.looseObject({
  tools: z.array(z.unknown()).default([]),
  nextCursor: z.unknown().optional(),
})

const SchemaOrAny = z.union([z.record(z.string(), z.unknown()), z.literal(true).transform(() => ({}))])

const Definition = z.object({
  name: z.string().min(1),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: SchemaOrAny,
  outputSchema: z.record(z.string(), z.unknown()).optional(),
  annotations: z.record(z.string(), z.unknown()).optional(),
})
/** Without them a tool can be called all the same. */
const DISPENSABLE = ['title', 'description', 'outputSchema', 'annotations'] as const

export async function listAll(session: McpSession): Promise<ToolListing> {
  const tools = new Map<string, ToolDefinition>()
  const warnings: string[] = []
  const warn = (text: string): void => void (warnings.length < MAX_WARNINGS && warnings.push(cleanText(text)))
  const seen = new Set<string>()
  let bytes = 0
  let count = 0
  let cursor: string | undefined
  for (let page = 1; page <= MAX_LISTING_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor }
    const answer = parsePage(await session.request({ method: 'tools/list', params }))
    if (answer[INEXACT] === NOT_UTF8)
      warn('the list of tools is not in UTF-8: characters that cannot be read are replaced')
    const flat = answer.tools.filter((tool) => isFlat(tool, warn))
    bytes += bytesOf(flat)
    count += flat.length
    if (bytes > MAX_LISTING_BYTES || count > MAX_TOOLS) throw tooLarge()
    for (const tool of flat) keep(tools, readTool(tool, warn), warn)
    cursor = nextCursor(answer.nextCursor, seen, warn)
    if (cursor === undefined) return { tools: [...tools.values()], warnings }
  }
  throw new LocalFailure('listing_too_large', `the list of tools has more than ${MAX_LISTING_PAGES} pages`)
}

export function tooLarge(): LocalFailure {
  const most = `${MAX_TOOLS} tools and ${readableBytes(MAX_LISTING_BYTES)}, and of one page ${MAX_ANSWER_PARTS} values and names`
  return new LocalFailure('listing_too_large', `the list of tools is too large: at most ${most} are read`)
}

type Warn = (text: string) => void

function parsePage(answer: unknown): z.infer<typeof ListingPage> {
  const parsed = ListingPage.safeParse(answer)
  if (parsed.success) return parsed.data
  throw new LocalFailure('result_invalid', `the list of tools: ${z.prettifyError(parsed.error)}`)
}

/** An empty one is the end, too. Undefined: nothing more is asked for. */
function nextCursor(given: unknown, seen: Set<string>, warn: Warn): string | undefined {
  if (isAbsent(given) || given === '') return undefined
  if (typeof given !== 'string')
    warn('the list of tools goes on at a place that is no text: it is read up to there')
  else if (seen.has(given)) warn('the list of tools repeats itself: it is read up to there')
  else return seen.add(given) && given
  return undefined
}

function isFlat(tool: unknown, warn: Warn): boolean {
  const isSo = !isNestedDeeper(tool, MAX_VALUE_DEPTH)
  if (!isSo) warn(`${titleOf(tool)} is left out: it is nested deeper than ${MAX_VALUE_DEPTH} levels`)
  return isSo
}

/** Each tool is hashed, and read again and again: one that is as large as a list is refused with its name. */
function bytesOf(tools: readonly unknown[]): number {
  return tools.reduce<number>((sum, tool) => {
    const bytes = jsonBytes(tool as JsonValue)
    if (bytes <= MAX_TOOL_BYTES) return sum + bytes
    const sizes = `${readableBytes(bytes)}, at most ${readableBytes(MAX_TOOL_BYTES)}`
    throw new LocalFailure('listing_too_large', `${titleOf(tool)} is too large: ${sizes}`)
  }, 0)
}

/** Undefined: it cannot be called. */
function readTool(given: unknown, warn: Warn): ToolDefinition | undefined {
  const fields: Record<string, unknown> = isFields(given) ? present(given, OBJECTS) : {}
  const name = titleOf(given)
  if (isFields(given) && fields['inputSchema'] === undefined) {
    warn(`${name} says nothing of its arguments: they are passed on as they are`)
    fields['inputSchema'] = { type: 'object' }
  }
  for (const field of DISPENSABLE) {
    if (fields[field] === undefined || Definition.shape[field].safeParse(fields[field]).success) continue
    warn(`${name} has a ${field} that cannot be read: it is ignored`)
    delete fields[field]
  }
  const read = Definition.safeParse(fields)
  if (read.success && unstorableTexts(read.data.name, '').length === 0) return storable(read.data, warn)
  warn(`${name} is left out: its definition cannot be read`)
  return undefined
}

/** What the database cannot keep is replaced once, here: so it is the same for whoever compares hashes. */
function storable(tool: ToolDefinition, warn: Warn): ToolDefinition {
  const kept = storableValue(tool as unknown as JsonValue) as unknown as ToolDefinition
  if (kept !== (tool as unknown))
    warn(
      `${titleOf(tool)} holds characters that cannot be kept (U+0000 or half of a pair): they are replaced`,
    )
  return kept
}

function keep(tools: Map<string, ToolDefinition>, tool: ToolDefinition | undefined, warn: Warn): void {
  if (!tool) return
  if (tools.has(tool.name)) warn(`${titleOf(tool)} is listed twice: the last one counts`)
  tools.set(tool.name, tool)
}

function titleOf(tool: unknown): string {
  const name = isFields(tool) ? tool['name'] : undefined
  return typeof name === 'string' && name !== '' ? `tool ${name}` : 'a tool without a name'
}
