/** Freezing a connection, and what that holds. */
import type { Queryable } from '../database.ts'
import { cutPage, cutRows, type CutRows, type Marked } from './cut-rows.ts'
import type { WritebackRow } from './writebacks.ts'

export interface FreezeRow {
  frozen_at: Date | null
  frozen_by: string | null
  frozen_reason: string | null
}

const COLUMNS = 'frozen_at, frozen_by, frozen_reason'

/**
 * Waits for claims under way (one statement each). A connection that is frozen already stays as it was frozen first.
 * Undefined if there is no such connection.
 */
export async function freezeConnection(
  db: Queryable,
  params: { organization: string; connection: string; by: string; reason: string },
): Promise<FreezeRow | undefined> {
  const { rows } = await db.query<FreezeRow>(
    `update manifests set frozen_at = coalesce(frozen_at, app_now()), frozen_by = coalesce(frozen_by, $3),
       frozen_reason = coalesce(frozen_reason, $4)
     where organization = $1 and kind = 'Connection' and name = $2 and head > 0 returning ${COLUMNS}`,
    [params.organization, params.connection, params.by, params.reason],
  )
  return rows[0]
}

/** False if there is no such connection. */
export async function thawConnection(
  db: Queryable,
  params: { organization: string; connection: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update manifests set frozen_at = null, frozen_by = null, frozen_reason = null
     where organization = $1 and kind = 'Connection' and name = $2 and head > 0`,
    [params.organization, params.connection],
  )
  return rowCount === 1
}

export async function findFreeze(
  db: Queryable,
  params: { organization: string; connection: string },
): Promise<FreezeRow | undefined> {
  const { rows } = await db.query<FreezeRow>(
    `select ${COLUMNS} from manifests where organization = $1 and kind = 'Connection' and name = $2 and head > 0`,
    [params.organization, params.connection],
  )
  return rows[0]
}

export interface ConnectionListRow extends FreezeRow {
  name: string
  type: string
  revision: number
}

/** By name. */
export async function listConnections(
  db: Queryable,
  params: {
    organization: string
    type?: string | undefined
    frozen?: boolean | undefined
    after?: string | undefined
    limit: number
  },
): Promise<ConnectionListRow[]> {
  const { rows } = await db.query<ConnectionListRow>(
    `select m.name, r.body #>> '{spec,type}' as type, r.number as revision, ${COLUMNS} from manifests m
       join revisions r on r.organization = m.organization and r.kind = m.kind and r.name = m.name and r.number = m.head
     where m.organization = $1 and m.kind = 'Connection' and ($2::text is null or r.body #>> '{spec,type}' = $2)
       and ($3::boolean is null or (m.frozen_at is not null) = $3) and ($4::text is null or m.name > $4)
     order by m.name limit $5`,
    [params.organization, params.type ?? null, params.frozen ?? null, params.after ?? null, params.limit],
  )
  return rows
}

/** Not of those that wait for people: they would not be sent if the connection were open. */
const HELD = `state = 'planned' and not exists (
  select from approvals a where a.writeback_id = w.writeback_id and a.state = 'waiting'
    and a.organization = w.organization and a.run_id = w.run_id)`

const OPEN_STATES = { held: HELD, under_way: `state = 'sending'` }

/** Writes of a connection that a freeze holds, or that are under way; oldest first. */
export async function listOpenWritebacks(
  db: Queryable,
  params: { organization: string; connection: string; which: keyof typeof OPEN_STATES; limit: number },
): Promise<CutRows<WritebackRow>> {
  const page = `select to_jsonb(w) as row, created_at, writeback_id from writebacks w
    where organization = $2 and connection = $3 and state in ('planned', 'sending') and ${OPEN_STATES[params.which]}`
  const { rows } = await db.query<Marked<{ row: WritebackRow }>>(cutPage(page, 'created_at, writeback_id'), [
    params.limit,
    params.organization,
    params.connection,
  ])
  const { rows: shown, isCut } = cutRows(rows)
  return { rows: shown.map(({ row }) => row), isCut }
}

/** Of those, the ones that may reach the target now: claimed, and not past their deadline. */
export async function countUnderWay(
  db: Queryable,
  params: { organization: string; connection: string },
): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `select count(*)::integer as count from writebacks
     where organization = $1 and connection = $2 and state = 'sending' and deadline_at >= app_now()`,
    [params.organization, params.connection],
  )
  return rows[0]?.count ?? 0
}

/** Ids of writes through a connection that are not over, oldest first. */
export async function listWritesInTheWay(
  db: Queryable,
  params: { organization: string; connection: string; limit: number },
): Promise<string[]> {
  const { rows } = await db.query<{ writeback_id: string }>(
    `select writeback_id from writebacks where organization = $1 and connection = $2
       and state in ('planned', 'sending', 'unknown') order by created_at, writeback_id limit $3`,
    [params.organization, params.connection, params.limit],
  )
  return rows.map(({ writeback_id }) => writeback_id)
}
