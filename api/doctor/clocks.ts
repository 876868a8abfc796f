/**
 * How far the clocks are apart. Deadlines of writes are set by PostgreSQL and read by workers; expiries by Temporal. The
 * worker's view of PostgreSQL and Temporal comes from the last pass of the reconciler.
 */
import type { Check } from '../../schemas/operations/health.ts'
import type { ReconcileReport } from '../../schemas/upkeep.ts'
import { fail, ok, warn } from './check.ts'

/** Half of the time that a write's deadline leaves for the end of a call; see DEADLINE_MARGIN_MS in activities/sending.ts. */
const TOLERATED_MS = 750
const MAX_MS = 5_000

export function clockCheck(
  databaseAheadOfApiMs: number,
  worker: ReconcileReport['clock'] | undefined,
): Check {
  const name = 'clocks'
  const skews: [string, number][] = [['PostgreSQL and the API', databaseAheadOfApiMs]]
  if (worker) {
    skews.push(['PostgreSQL and the worker', worker.database_ahead_ms])
    // It was scheduled before it began. Later is a queue, or a clock: that cannot be told apart.
    skews.push(['Temporal and the worker', Math.max(0, worker.temporal_ms - worker.at_ms)])
  }
  const [pair, skewMs] = skews.reduce((worst, each) =>
    Math.abs(each[1]) > Math.abs(worst[1]) ? each : worst,
  )
  const size = Math.round(Math.abs(skewMs))
  const action = 'Let NTP set the clocks of all machines.'
  if (size > MAX_MS) return fail(name, `The clocks of ${pair} are ${size} ms apart.`, action)
  if (size > TOLERATED_MS) return warn(name, `The clocks of ${pair} are ${size} ms apart.`, action)
  const seen = worker ? 'API, PostgreSQL, worker and Temporal' : 'API and PostgreSQL'
  return ok(
    name,
    `${seen} agree within ${size} ms.${worker ? '' : ' The others show after a pass of the reconciler.'}`,
  )
}
