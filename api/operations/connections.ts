/** Handlers: connections, and freezing them. That nothing slips through is the ledger's doing, in the claim of each sending. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'
import {
  countUnderWay,
  findFreeze,
  freezeConnection,
  listConnections,
  listOpenWritebacks,
  thawConnection,
  type FreezeRow,
} from '../../db/queries/freezes.ts'
import { findListingWarnings, summarizeCatalog } from '../../db/queries/tool-catalog.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { addressOf, noConnection, requireConnection, toolViews, type Named } from '../connection-tools.ts'
import { NamePositionSchema, openList } from '../pages.ts'
import { isoTime, writebackView } from '../views.ts'
import { implement } from './implement.ts'

const MAX_SHOWN = 100
/** Most answers are there within milliseconds; those that are not are named in the answer. */
const UNDER_WAY_PATIENCE_MS = 300
const LOOK_INTERVAL_MS = 25

const list = implement(OPERATIONS.listConnections, async ({ database }, { query, principal }) => {
  const list = openList('connections', query, NamePositionSchema)
  const rows = await listConnections(database, {
    organization: principal.organization,
    type: query.type,
    frozen: query.frozen === undefined ? undefined : query.frozen === 'true',
    after: list.after,
    limit: list.limit,
  })
  return list.page(rows, {
    item: ({ name, type, revision, ...row }) => ({ name, type, revision, frozen: frozenView(row) }),
    position: ({ name }) => name,
  })
})

const get = implement(OPERATIONS.getConnectionState, async ({ database }, { params, principal }) => {
  const named = { organization: principal.organization, connection: params.name }
  const row = await findFreeze(database, named)
  if (!row) throw noConnection(named)
  return stateOf(database, named, row)
})

const tools = implement(OPERATIONS.listConnectionTools, async ({ database }, { params, principal }) => {
  const named = { organization: principal.organization, connection: params.name }
  return {
    name: params.name,
    tools: await toolViews(database, named, await requireConnection(database, named)),
  }
})

const check = implement(OPERATIONS.checkConnection, async (deps, { params, principal }) => {
  const named = { organization: principal.organization, connection: params.name }
  const { spec } = await requireConnection(deps.database, named)
  const startedMs = performance.now()
  const found = await deps.inspectTools(named.organization, named.connection)
  const took_ms = Math.round(performance.now() - startedMs)
  return { name: params.name, type: spec.type, tools: found.tools.length, took_ms }
})

const freeze = implement(OPERATIONS.freezeConnection, async ({ database }, { params, body, principal }) => {
  const named = { organization: principal.organization, connection: params.name }
  const row = await freezeConnection(database, { ...named, by: principal.id, reason: body.reason })
  if (!row) throw noConnection(named)
  await untilAnswered(database, named)
  return stateOf(database, named, row)
})

const thaw = implement(OPERATIONS.thawConnection, async ({ database }, { params, principal }) => {
  const named = { organization: principal.organization, connection: params.name }
  if (!(await thawConnection(database, named))) throw noConnection(named)
  return { name: params.name, frozen: null }
})

/** What was claimed before the freeze is on its way: the answer waits a little for it. */
async function untilAnswered(database: Database, named: Named): Promise<void> {
  const untilMs = Date.now() + UNDER_WAY_PATIENCE_MS
  while ((await countUnderWay(database, named)) > 0 && Date.now() < untilMs) await sleep(LOOK_INTERVAL_MS)
}

async function stateOf(database: Database, named: Named, row: FreezeRow) {
  const limit = MAX_SHOWN + 1
  const { spec, revision } = await requireConnection(database, named)
  const seen = await summarizeCatalog(database, named)
  const [warnings, held, underWay] = await Promise.all([
    findListingWarnings(database, named),
    row.frozen_at === null
      ? { rows: [], isCut: false }
      : listOpenWritebacks(database, { ...named, which: 'held', limit }),
    listOpenWritebacks(database, { ...named, which: 'under_way', limit }),
  ])
  return {
    name: named.connection,
    type: spec.type,
    revision,
    address: addressOf(spec),
    tools: seen.seenAt && { count: seen.count, seen_at: isoTime(seen.seenAt) },
    frozen: frozenView(row),
    held: held.rows.slice(0, MAX_SHOWN).map(writebackView),
    held_omitted: held.isCut || held.rows.length > MAX_SHOWN,
    under_way: underWay.rows.slice(0, MAX_SHOWN).map(writebackView),
    under_way_omitted: underWay.isCut || underWay.rows.length > MAX_SHOWN,
    warnings,
  }
}

function frozenView({ frozen_at, frozen_by, frozen_reason }: FreezeRow) {
  return frozen_at && { at: isoTime(frozen_at), by: frozen_by ?? '', reason: frozen_reason ?? '' }
}

export const connectionOperations = [list, get, tools, check, freeze, thaw]
