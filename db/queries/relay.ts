/**
 * Deliveries that wait to be started. A claim is a lease: it hides the delivery from everybody else until it is over, so
 * that no transaction stays open while Temporal is asked, and a relay that dies leaves nothing behind but a delay.
 */
import type { Queryable } from '../database.ts'
import type { DeliveryRow } from './deliveries.ts'

/** Tells relays that there is something to start. */
export const DELIVERIES_CHANNEL = 'countersign_deliveries'

/** A delivery whose start is refused again and again is still tried, six times an hour at the end. */
const MAX_DELAY_S = 600

export type DueDelivery = Pick<
  DeliveryRow,
  'id' | 'organization' | 'source' | 'requester' | 'runs' | 'cancelled_run_ids' | 'state'
> & { attempts: number }

/** Those that are due, the longest first. Two that ask at once get different ones. */
export async function claimDueDeliveries(
  db: Queryable,
  params: { limit: number; leaseMs: number },
): Promise<DueDelivery[]> {
  const { rows } = await db.query<DueDelivery>(
    `update deliveries set next_attempt_at = app_now() + $2::bigint * interval '1 millisecond'
     where id in (select id from deliveries where state = 'pending' and next_attempt_at <= app_now()
                  order by next_attempt_at limit $1 for update skip locked)
     returning id, organization, source, requester, runs, cancelled_run_ids, state, attempts`,
    [params.limit, params.leaseMs],
  )
  return rows
}

/** Due at once, for whoever can: Temporal could not be asked. Relays hear of it. */
export async function leaveToRelay(db: Queryable, id: string): Promise<void> {
  await db.query(
    `with left_over as (update deliveries set next_attempt_at = app_now() where id = $1 and state = 'pending' returning id)
     select pg_notify($2, '') from left_over`,
    [id, DELIVERIES_CHANNEL],
  )
}

/** Temporal refused to start it: next time a little later, so that it stands in nobody's way. */
export async function deferDelivery(db: Queryable, params: { id: string; error: string }): Promise<void> {
  await db.query(
    `update deliveries set attempts = attempts + 1, last_error = left($2, 500), next_attempt_at = app_now()
       + least($3::integer, 5 * 2 ^ least(attempts, 20)) * interval '1 second'
     where id = $1 and state = 'pending'`,
    [params.id, params.error, MAX_DELAY_S],
  )
}
