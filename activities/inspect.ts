/** Asks a connection's server for its tools, for the checks when an automation is saved. Reads only; may be repeated. */
import { inTransaction, type Database } from '../db/database.ts'
import { findHead } from '../db/queries/manifests.ts'
import { replaceCatalog, type ListingWarning } from '../db/queries/tool-catalog.ts'
import type { JsonObject } from '../lib/json.ts'
import type { CatalogTool, ToolCatalog } from '../mcp/catalog.ts'
import type { ToolDefinition } from '../mcp/port.ts'
import { schemaWarnings } from '../mcp/tool-schemas.ts'
import { durationMs } from '../schemas/common.ts'
import { CodedError } from '../schemas/errors.ts'
import type { DatabaseResolver, TargetResolver } from './targets.ts'

export interface InspectedTool {
  tool: string
  definitionSha256: string
  inputSchema: JsonObject
}

/** Of whoever waits for the save; a program that is fetched before it starts takes its time. */
const MAX_LISTING_MS = 30_000
/** A person waits for the save. */
const SCHEMAS_LIMIT_MS = 2_000
const MAX_KNOWN = 5_000

export interface Inspection {
  tools: InspectedTool[]
  /** What could not be read of the list, and of which schemas nothing can be checked. */
  warnings: ListingWarning[]
}

export async function inspectConnection(
  deps: {
    database: Database
    catalog: ToolCatalog
    targetOf: TargetResolver
    databaseOf: DatabaseResolver
  },
  params: { organization: string; connection: string },
  signal: AbortSignal,
): Promise<Inspection> {
  const { organization, connection } = params
  const head = await findHead(deps.database, { organization, kind: 'Connection', name: connection })
  if (head?.body.kind !== 'Connection')
    throw new CodedError('CONNECTION_NOT_FOUND', `${organization} has no connection ${connection}`)
  const { spec } = head.body
  if (spec.type !== 'mcp') {
    // Not connected to: what is looked at is what would be refused before that.
    deps.databaseOf({ organization, spec })
    return { tools: [], warnings: [] }
  }
  const limits = {
    deadlineAtMs: Date.now() + Math.min(durationMs(spec.timeout), MAX_LISTING_MS),
    signal,
    fresh: true,
  }
  const list = await deps.catalog.listTools(await deps.targetOf({ organization, spec }), limits)
  const warnings = [
    ...list.warnings.map((message) => ({ tool: null, message })),
    ...(await uncheckable(list.tools, organization)),
  ]
  await keep(deps.database, { organization, connection }, { tools: list.tools, warnings })
  const tools = list.tools.map(({ definition, hash }) => ({
    tool: definition.name,
    definitionSha256: hash,
    inputSchema: definition.inputSchema as JsonObject,
  }))
  return { tools, warnings }
}

async function keep(
  database: Database,
  named: { organization: string; connection: string },
  { tools, warnings }: { tools: readonly CatalogTool[]; warnings: readonly ListingWarning[] },
): Promise<void> {
  const entries = tools.map(({ definition, hash }) => ({
    tool: definition.name,
    definition: definition as unknown as JsonObject,
    definitionSha256: hash,
  }))
  await inTransaction(database, (tx) => replaceCatalog(tx, { ...named, entries, warnings }))
}

/** By the hashes of definitions: a save asks for the same list again and again. */
const known = new Map<string, readonly string[]>()

/** Of as many tools as there is time for: a call of any other is checked all the same. */
async function uncheckable(listed: readonly CatalogTool[], organization: string): Promise<ListingWarning[]> {
  const untilMs = Date.now() + SCHEMAS_LIMIT_MS
  const warnings: ListingWarning[] = []
  for (const { definition, hash } of listed) {
    if (!known.has(hash) && Date.now() > untilMs) break
    const messages = known.get(hash) ?? (await messagesAbout(definition, organization))
    if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value ?? '')
    known.set(hash, messages)
    warnings.push(...messages.map((message) => ({ tool: definition.name, message })))
  }
  return warnings
}

async function messagesAbout(definition: ToolDefinition, organization: string): Promise<string[]> {
  try {
    return await schemaWarnings(definition, organization)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    return [error.message]
  }
}
