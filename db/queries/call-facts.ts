/** What a call is judged by: its connection and the policies of this moment. This file only reads. */
import type { AutomationSpec, Manifest } from '../../schemas/manifests.ts'
import type { Queryable } from '../database.ts'
import type { JudgedBy, WritebackRow } from './writebacks.ts'

export interface CallFactsRow {
  connection: {
    number: number
    body: Extract<Manifest, { kind: 'Connection' }>
    /** Why no write may go through it now. */
    frozen_reason: string | null
  } | null
  policies: { number: number; body: Extract<Manifest, { kind: 'Policy' }> }[]
}

export function revisionsIn({ connection, policies }: CallFactsRow): JudgedBy {
  const numbers = policies.map(({ number, body }) => [body.name, number] as const)
  return { connection: connection?.number ?? 0, policies: Object.fromEntries(numbers) }
}

/** Two columns of a statement; $1 is the organization, $2 the connection. */
export const CALL_FACTS = `
       (select jsonb_build_object('number', r.number, 'body', r.body, 'frozen_reason', m.frozen_reason) from manifests m
          join revisions r using (organization, kind, name)
          where m.organization = $1 and m.kind = 'Connection' and m.name = $2 and r.number = m.head) as connection,
       (select coalesce(jsonb_agg(jsonb_build_object('number', r.number, 'body', r.body) order by m.name), '[]')
          from manifests m join revisions r using (organization, kind, name)
          where m.organization = $1 and m.kind = 'Policy' and r.number = m.head) as policies`

export interface CallContextRow extends CallFactsRow {
  writeback: WritebackRow | null
  /** Until the deadline of the attempt that is sending, by the clock that has set it. Null: none is. */
  remaining_ms: number | null
  /** A receipt says that the write has ended. */
  is_ended: boolean
}

/** All that the door needs to judge a call, in one statement: the connection and the policies of this moment, the ledger. */
export async function loadCallContext(
  db: Queryable,
  params: { organization: string; connection: string; writebackId: string },
): Promise<CallContextRow> {
  const { rows } = await db.query<CallContextRow>(
    `select ${CALL_FACTS},
       (select to_jsonb(w) from writebacks w where w.organization = $1 and w.writeback_id = $3) as writeback,
       (select (extract(epoch from w.deadline_at - app_now()) * 1000)::float8 from writebacks w
          where w.organization = $1 and w.writeback_id = $3) as remaining_ms,
       exists (select from receipts r where r.subject = $3 and r.kind = 'outcome') as is_ended`,
    [params.organization, params.connection, params.writebackId],
  )
  const [row] = rows
  if (!row) throw new Error('no row came back for call context')
  return row
}

export interface DryCallRow extends CallFactsRow {
  /** Of the revision; null if there is none. */
  spec: AutomationSpec | null
  pins: Record<string, string> | null
}

/** The same with the revision that a dry run plays. */
export async function loadDryCall(
  db: Queryable,
  params: { organization: string; connection: string; automation: string; revision: number },
): Promise<DryCallRow> {
  const revision = `revisions r where r.organization = $1 and r.kind = 'Automation' and r.name = $3 and r.number = $4`
  const { rows } = await db.query<DryCallRow>(
    `select ${CALL_FACTS},
       (select r.body -> 'spec' from ${revision}) as spec, (select r.pins from ${revision}) as pins`,
    [params.organization, params.connection, params.automation, params.revision],
  )
  const [row] = rows
  if (!row) throw new Error('no row came back for a call of a dry run')
  return row
}
