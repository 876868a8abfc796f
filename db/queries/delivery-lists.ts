/** Lists over deliveries and the runs they have started, newest first. */
import type { Queryable } from '../database.ts'
import type { DeliveredRun, DeliveryRow, SkippedAutomation } from './deliveries.ts'

/** What both lists can be narrowed to. Times are ISO 8601. */
interface Filter {
  organization: string
  state?: DeliveryRow['state'] | undefined
  automation?: string | undefined
  /** Events of this connection. */
  connection?: string | undefined
  since?: string | undefined
  until?: string | undefined
  limit: number
}

/** Parameters $1 to $6 of both lists. */
function filterValues({ organization, state, automation, connection, since, until }: Filter): unknown[] {
  // Names hold no wildcard but `_`, which is escaped.
  const source = connection === undefined ? null : `event/${connection.replaceAll('_', '\\_')}/%`
  return [organization, state ?? null, automation ?? null, source, since ?? null, until ?? null]
}

const FILTER = `d.organization = $1 and ($2::text is null or d.state = $2) and ($4::text is null or d.source like $4)
  and ($5::timestamptz is null or d.received_at >= $5) and ($6::timestamptz is null or d.received_at < $6)`

export interface DeliveryListRow extends Omit<DeliveryRow, 'runs'> {
  /** Without their inputs, which nobody is shown here. */
  runs: Omit<DeliveredRun, 'input'>[]
  started_at: Date | null
  attempts: number
  last_error: string | null
  skipped: SkippedAutomation[]
  /** ISO 8601 with microseconds: where a page ends. */
  position: string
}

const RUNS_WITHOUT_INPUT = `(select coalesce(jsonb_agg(run - 'input' order by place), '[]')
  from jsonb_array_elements(d.runs) with ordinality as each_run(run, place))`

const DELIVERY_COLUMNS = `d.id, d.organization, d.source, d.dedupe_key, d.request_sha256, d.requester, ${RUNS_WITHOUT_INPUT} as runs,
  d.cancelled_run_ids, d.state, d.received_at, d.started_at, d.attempts, d.last_error, d.skipped, to_jsonb(d.received_at) #>> '{}' as position`

export async function listDeliveries(
  db: Queryable,
  params: Filter & { before?: { receivedAt: string; id: string } | undefined },
): Promise<DeliveryListRow[]> {
  const { rows } = await db.query<DeliveryListRow>(
    `select ${DELIVERY_COLUMNS} from deliveries d
     where ${FILTER}
       and ($3::text is null or d.runs @> jsonb_build_array(jsonb_build_object('automation', $3::text))
         or d.skipped @> jsonb_build_array(jsonb_build_object('automation', $3::text)))
       and ($7::timestamptz is null or (d.received_at, d.id) < ($7::timestamptz, $8::text))
     order by d.received_at desc, d.id desc limit $9`,
    [...filterValues(params), params.before?.receivedAt ?? null, params.before?.id ?? null, params.limit],
  )
  return rows
}

export async function findDelivery(
  db: Queryable,
  params: { organization: string; id: string },
): Promise<DeliveryListRow | undefined> {
  const { rows } = await db.query<DeliveryListRow>(
    `select ${DELIVERY_COLUMNS} from deliveries d where d.organization = $1 and d.id = $2`,
    [params.organization, params.id],
  )
  return rows[0]
}

export interface RunRow {
  run_id: string
  workflow_id: string
  automation: string
  revision: number
  delivery_id: string
  source: string
  state: DeliveryRow['state']
  /** Before its delivery was started. */
  is_cancelled: boolean
  /** ISO 8601 with microseconds: exact, unlike a Date, so that a page ends where the next one starts. */
  received_at: string
  /** Place of the run within its delivery, from 1. */
  ordinal: number
  /** What the inbox and the ledger say; whether the run is over, they do not know. */
  waits_for: 'approval' | 'resolution' | null
}

const WAITS_FOR = `case
  when exists (select from approvals a
    where a.organization = d.organization and a.run_id = run ->> 'runId' and a.state = 'waiting') then 'approval'
  when exists (select from writebacks w
    where w.organization = d.organization and w.run_id = run ->> 'runId' and w.state = 'unknown') then 'resolution'
  end`

const RUN_COLUMNS = `run ->> 'runId' as run_id, run ->> 'workflowId' as workflow_id, run ->> 'automation' as automation,
  (run ->> 'revision')::integer as revision, d.id as delivery_id, d.source, d.state,
  run ->> 'runId' = any(d.cancelled_run_ids) as is_cancelled, to_jsonb(d.received_at) #>> '{}' as received_at,
  ordinal::integer as ordinal, ${WAITS_FOR} as waits_for`

const RUNS = 'deliveries d, jsonb_array_elements(d.runs) with ordinality as r(run, ordinal)'

/** Few among all the runs that are kept. Who waits for both is told to wait for an approval, as in `WAITS_FOR`. */
const WAITING_RUN_IDS = {
  approval: `select run_id from approvals where organization = $1 and state = 'waiting'`,
  resolution: `select run_id from writebacks where organization = $1 and state = 'unknown'
    except select run_id from approvals where organization = $1 and state = 'waiting'`,
}

/**
 * From those that wait, if only they are asked for, to their deliveries: not from each delivery to what it waits for.
 * Materialized, because the planner would rather go through all deliveries in their order until the page is full.
 */
function runsOf(waitsFor: keyof typeof WAITING_RUN_IDS | undefined): { before: string; from: string } {
  if (waitsFor === undefined) return { before: '', from: `${RUNS} where true` }
  const before = `with waiting as materialized (${WAITING_RUN_IDS[waitsFor]}),
    found as materialized (
      select distinct on (d.id) d.id, d.organization, d.source, d.state, d.received_at, d.runs, d.cancelled_run_ids
      from waiting join deliveries d on d.organization = $1
        and d.runs @> jsonb_build_array(jsonb_build_object('runId', waiting.run_id))
      order by d.id)`
  const from = `found d, jsonb_array_elements(d.runs) with ordinality as r(run, ordinal)
    where run ->> 'runId' in (select run_id from waiting)`
  return { before, from }
}

export async function listRuns(
  db: Queryable,
  params: Filter & {
    waitsFor?: 'approval' | 'resolution' | undefined
    before?: { receivedAt: string; deliveryId: string; ordinal: number } | undefined
  },
): Promise<RunRow[]> {
  const { before } = params
  const runs = runsOf(params.waitsFor)
  const { rows } = await db.query<RunRow>(
    `${runs.before} select ${RUN_COLUMNS} from ${runs.from}
       and ${FILTER} and ($3::text is null or run ->> 'automation' = $3)
       and ($7::timestamptz is null or (d.received_at, d.id, ordinal) < ($7::timestamptz, $8::text, $9::bigint))
     order by d.received_at desc, d.id desc, ordinal desc limit $10`,
    [
      ...filterValues(params),
      before?.receivedAt ?? null,
      before?.deliveryId ?? null,
      before?.ordinal ?? null,
      params.limit,
    ],
  )
  return rows
}

/** The runs behind these executions, in no order. */
export async function findRunsByWorkflow(
  db: Queryable,
  params: { organization: string; workflowIds: readonly string[]; connection?: string | undefined },
): Promise<RunRow[]> {
  const source = filterValues({ ...params, limit: 0 })[3]
  const { rows } = await db.query<RunRow>(
    `select ${RUN_COLUMNS} from unnest($2::text[]) as wanted(workflow_id)
       join deliveries d on d.organization = $1
         and d.runs @> jsonb_build_array(jsonb_build_object('workflowId', wanted.workflow_id)),
       jsonb_array_elements(d.runs) with ordinality as r(run, ordinal)
     where run ->> 'workflowId' = wanted.workflow_id and ($3::text is null or d.source like $3)`,
    [params.organization, params.workflowIds, source],
  )
  return rows
}
