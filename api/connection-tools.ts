/** What a connection offers: where it leads, its tools as its server last described them, and who has pinned them. */
import type { Database } from '../db/database.ts'
import { findHead, listHeads } from '../db/queries/manifests.ts'
import { listCatalog, type SeenTool } from '../db/queries/tool-catalog.ts'
import { isJsonObject } from '../lib/json.ts'
import { toolClass } from '../lib/tool-class.ts'
import { CodedError } from '../schemas/errors.ts'
import type { ConnectionSpec } from '../schemas/manifests.ts'
import { isoTime } from './views.ts'

export interface Named {
  organization: string
  connection: string
}

export async function requireConnection(
  database: Database,
  named: Named,
): Promise<{ spec: ConnectionSpec; revision: number }> {
  const { organization, connection: name } = named
  const head = await findHead(database, { organization, kind: 'Connection', name })
  if (head?.body.kind !== 'Connection') throw noConnection(named)
  return { spec: head.body.spec, revision: head.number }
}

export function noConnection({ connection }: Named): CodedError {
  return new CodedError('NOT_FOUND', `There is no connection ${connection}.`)
}

export function addressOf(spec: ConnectionSpec): string {
  if (spec.type === 'postgres') return spec.url
  return spec.transport === 'stdio' ? `command ${spec.command}` : spec.url
}

export async function toolViews(database: Database, named: Named, { spec }: { spec: ConnectionSpec }) {
  if (spec.type !== 'mcp') return []
  const [seen, heads] = await Promise.all([listCatalog(database, named), listHeads(database, named)])
  return seen.map(({ tool, definition, definitionSha256, seenAt }) => {
    const pinned = heads.flatMap(({ name, number, pins }) => {
      const pin = pins[`${named.connection}/${tool}`]
      return pin === undefined
        ? []
        : [{ automation: name, revision: number, changed: pin !== definitionSha256 }]
    })
    const { class: toolsClass, saidBy } = toolClass(spec, partsOf(tool, definition))
    return {
      tool,
      description: typeof definition['description'] === 'string' ? definition['description'] : '',
      class: toolsClass,
      class_from: saidBy,
      definition_sha256: definitionSha256,
      seen_at: isoTime(seenAt),
      pinned_by: pinned,
    }
  })
}

function partsOf(name: string, { annotations }: SeenTool['definition']) {
  return { name, annotations: isJsonObject(annotations) ? annotations : undefined }
}
