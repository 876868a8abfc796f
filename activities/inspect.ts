/** Asks a connection's server for its tools, for the checks when an automation is saved. Reads only; may be repeated. */
import { inTransaction, type Database } from '../db/database.ts'
import { findHead } from '../db/queries/manifests.ts'
import { replaceCatalog } from '../db/queries/tool-catalog.ts'
import type { JsonObject } from '../lib/json.ts'
import type { ToolCatalog } from '../mcp/catalog.ts'
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

export async function inspectConnection(
  deps: {
    database: Database
    catalog: ToolCatalog
    targetOf: TargetResolver
    databaseOf: DatabaseResolver
  },
  params: { organization: string; connection: string },
  signal: AbortSignal,
): Promise<{ tools: InspectedTool[] }> {
  const { organization, connection } = params
  const head = await findHead(deps.database, { organization, kind: 'Connection', name: connection })
  if (head?.body.kind !== 'Connection')
    throw new CodedError('CONNECTION_NOT_FOUND', `${organization} has no connection ${connection}`)
  const { spec } = head.body
  if (spec.type !== 'mcp') {
    // Not connected to: what is looked at is what would be refused before that.
    deps.databaseOf({ organization, spec })
    return { tools: [] }
  }
  const limits = {
    deadlineAtMs: Date.now() + Math.min(durationMs(spec.timeout), MAX_LISTING_MS),
    signal,
    fresh: true,
  }
  const listed = await deps.catalog.listTools(await deps.targetOf({ organization, spec }), limits)
  const entries = listed.map(({ definition, hash }) => ({
    tool: definition.name,
    definition: definition as unknown as JsonObject,
    definitionSha256: hash,
  }))
  await inTransaction(deps.database, (tx) => replaceCatalog(tx, { organization, connection, entries }))
  const tools = listed.map(({ definition, hash }) => ({
    tool: definition.name,
    definitionSha256: hash,
    inputSchema: definition.inputSchema as JsonObject,
  }))
  return { tools }
}
