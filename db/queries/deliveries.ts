/** Deliveries: arrivals that may start runs. What a delivery starts is frozen when it arrives. */
import type { JsonValue } from '../../lib/json.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { Requester } from '../../schemas/run.ts'
import { requireRow, type Queryable } from '../database.ts'

export interface DeliveredRun {
  runId: string
  workflowId: string
  automation: string
  revision: number
  input: JsonValue
  /** Of a run that a step of another run has started. */
  parent?: { runId: string; path: string; depth: number }
}

/** An automation that listens to an event and was not started by it, and why. */
export interface SkippedAutomation {
  automation: string
  code: string
  detail: string
}

export interface DeliveryRow {
  id: string
  organization: string
  source: string
  dedupe_key: string
  request_sha256: string
  requester: Requester
  runs: DeliveredRun[]
  /** Those of them that were cancelled before the delivery was started. */
  cancelled_run_ids: string[]
  state: 'pending' | 'started'
  received_at: Date
}

const COLUMNS =
  'id, organization, source, dedupe_key, request_sha256, requester, runs, cancelled_run_ids, state, received_at'

/** The row that now stands under this source and key: this one, or the one that came before (`id` differs). */
export async function insertDelivery(
  db: Queryable,
  params: {
    id: string
    organization: string
    source: string
    dedupeKey: string
    requestSha256: string
    requester: Requester
    runs: DeliveredRun[]
    skipped?: readonly SkippedAutomation[]
  },
): Promise<DeliveryRow> {
  const { rows } = await db.query<DeliveryRow>(
    // The update writes what is there already: it makes the existing row come back, in one statement.
    `insert into deliveries (id, organization, source, dedupe_key, request_sha256, requester, runs, skipped, state)
     values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8::jsonb, 'pending')
     on conflict (organization, source, dedupe_key) do update set id = deliveries.id
     returning ${COLUMNS}`,
    [
      params.id,
      params.organization,
      params.source,
      params.dedupeKey,
      params.requestSha256,
      JSON.stringify(params.requester),
      JSON.stringify(params.runs),
      JSON.stringify(params.skipped ?? []),
    ],
  )
  const [row] = rows
  if (!row) throw new Error('no row came back for delivery')
  return row
}

/** Once: that it has happened is what is noted, not how often. */
export async function noteSkipped(db: Queryable, id: string, skipped: SkippedAutomation): Promise<void> {
  await db.query(
    `update deliveries set skipped = skipped || jsonb_build_array($2::jsonb)
     where id = $1 and not skipped @> jsonb_build_array($2::jsonb)`,
    [id, JSON.stringify(skipped)],
  )
}

/** False if a run was cancelled that is not among those left out: the row's lock decides which of the two was first. */
export async function markDeliveryStarted(
  db: Queryable,
  { id, leftOut = [] }: { id: string; leftOut?: readonly string[] },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update deliveries set state = 'started', started_at = coalesce(started_at, app_now())
     where id = $1 and cancelled_run_ids <@ $2::text[]`,
    [id, leftOut],
  )
  return rowCount === 1
}

/** False if the delivery is started: then Temporal alone can cancel the run. */
export async function markRunCancelled(
  db: Queryable,
  { id, runId }: { id: string; runId: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update deliveries set cancelled_run_ids = array_append(array_remove(cancelled_run_ids, $2), $2)
     where id = $1 and (state = 'pending' or $2 = any(cancelled_run_ids))`,
    [id, runId],
  )
  return rowCount === 1
}

/** As it is now; empty if the delivery is gone. */
export async function listCancelledRuns(db: Queryable, id: string): Promise<string[]> {
  const { rows } = await db.query<Pick<DeliveryRow, 'cancelled_run_ids'>>(
    'select cancelled_run_ids from deliveries where id = $1',
    [id],
  )
  return rows[0]?.cancelled_run_ids ?? []
}

export async function findDeliveryOfRun(
  db: Queryable,
  params: { organization: string; runId: string },
): Promise<DeliveryRow | undefined> {
  const { rows } = await db.query<DeliveryRow>(
    `select ${COLUMNS} from deliveries where organization = $1 and runs @> $2::jsonb`,
    [params.organization, JSON.stringify([{ runId: params.runId }])],
  )
  return rows[0]
}

/** How far the start of a pending delivery is; undefined if it is started meanwhile. */
export async function findPendingStart(
  db: Queryable,
  id: string,
): Promise<{ attempts: number; last_error: string | null; next_attempt_at: Date } | undefined> {
  const { rows } = await db.query<{ attempts: number; last_error: string | null; next_attempt_at: Date }>(
    `select attempts, last_error, next_attempt_at from deliveries where id = $1 and state = 'pending'`,
    [id],
  )
  return rows[0]
}

export interface OriginRow {
  requester: Requester
  runs: DeliveredRun[]
  spec: AutomationSpec | null
  pins: Record<string, string> | null
}

/** What the door checks a call's origin against: the delivery, and the revision that the call says it comes from. */
export async function loadOrigin(
  db: Queryable,
  params: { organization: string; deliveryId: string; automation: string; revision: number },
): Promise<OriginRow | undefined> {
  const { rows } = await db.query<OriginRow>(
    `select d.requester, d.runs, r.body -> 'spec' as spec, r.pins from deliveries d
     left join revisions r on r.organization = d.organization and r.kind = 'Automation' and r.name = $3 and r.number = $4
     where d.organization = $1 and d.id = $2`,
    [params.organization, params.deliveryId, params.automation, params.revision],
  )
  return rows[0]
}

export async function findDeliveryByKey(
  db: Queryable,
  params: { organization: string; source: string; dedupeKey: string },
): Promise<DeliveryRow | undefined> {
  const { rows } = await db.query<DeliveryRow>(
    `select ${COLUMNS} from deliveries where organization = $1 and source = $2 and dedupe_key = $3`,
    [params.organization, params.source, params.dedupeKey],
  )
  return rows[0]
}

/** Whether the run of this delivery has planned a write, or started a run as `source`. */
export async function hasLeftTraces(
  db: Queryable,
  params: { organization: string; deliveryId: string; source: string },
): Promise<boolean> {
  const { rows } = await db.query<{ has_left: boolean }>(
    `select exists (select 1 from writebacks where delivery_id = $2)
       or exists (select 1 from deliveries where organization = $1 and source = $3) as has_left`,
    [params.organization, params.deliveryId, params.source],
  )
  return requireRow(rows, 'traces').has_left
}
