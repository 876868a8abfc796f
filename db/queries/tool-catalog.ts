/** What servers said of their tools when somebody last asked them. A projection: the server has the word. */
import type { JsonObject } from '../../lib/json.ts'
import type { Queryable } from '../database.ts'

export interface CatalogEntry {
  tool: string
  definition: JsonObject
  definitionSha256: string
}

/** Of the tool, if it can be told, or of the list as a whole. */
export interface ListingWarning {
  tool: string | null
  message: string
}

/** When somebody last asked the server; none if nobody has. */
export async function findListingWarnings(
  db: Queryable,
  params: { organization: string; connection: string },
): Promise<ListingWarning[]> {
  const { rows } = await db.query<{ warnings: ListingWarning[] }>(
    'select warnings from listing_warnings where organization = $1 and connection = $2',
    [params.organization, params.connection],
  )
  return rows[0]?.warnings ?? []
}

/** Replaces what was known of the connection. */
export async function replaceCatalog(
  tx: Queryable,
  params: {
    organization: string
    connection: string
    entries: CatalogEntry[]
    warnings: readonly ListingWarning[]
  },
): Promise<void> {
  const { organization, connection, entries, warnings } = params
  await tx.query(
    `insert into listing_warnings (organization, connection, warnings) values ($1, $2, $3::jsonb)
     on conflict (organization, connection) do update set warnings = excluded.warnings, seen_at = app_now()`,
    [organization, connection, JSON.stringify(warnings)],
  )
  await tx.query(
    `with gone as (
       delete from tool_catalog where organization = $1 and connection = $2
         and tool <> all (select e ->> 'tool' from jsonb_array_elements($3::jsonb) e))
     insert into tool_catalog (organization, connection, tool, definition, definition_sha256)
     select $1, $2, e ->> 'tool', e -> 'definition', e ->> 'definitionSha256' from jsonb_array_elements($3::jsonb) e
     on conflict (organization, connection, tool) do update
       set definition = excluded.definition, definition_sha256 = excluded.definition_sha256, seen_at = app_now()`,
    [organization, connection, JSON.stringify(entries)],
  )
}

export interface SeenTool extends CatalogEntry {
  seenAt: Date
}

/** By name. */
export async function listCatalog(
  db: Queryable,
  params: { organization: string; connection: string },
): Promise<SeenTool[]> {
  const { rows } = await db.query<SeenTool>(
    `select tool, definition, definition_sha256 as "definitionSha256", seen_at as "seenAt" from tool_catalog
     where organization = $1 and connection = $2 order by tool`,
    [params.organization, params.connection],
  )
  return rows
}

/** Without the definitions, which may be megabytes. */
export async function summarizeCatalog(
  db: Queryable,
  params: { organization: string; connection: string },
): Promise<{ count: number; seenAt: Date | null }> {
  const { rows } = await db.query<{ count: number; seenAt: Date | null }>(
    `select count(*)::integer as count, max(seen_at) as "seenAt" from tool_catalog
     where organization = $1 and connection = $2`,
    [params.organization, params.connection],
  )
  return rows[0] ?? { count: 0, seenAt: null }
}
