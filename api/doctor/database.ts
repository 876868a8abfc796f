/** What our own database says: whether it is the one this API was built for, and what is left lying in it. */
import { loadBacklog, type BacklogRow } from '../../db/queries/health.ts'
import { loadDatabaseClock } from '../../db/queries/open-rows.ts'
import type { Database } from '../../db/database.ts'
import { migrationState, type MigrationState } from '../../db/migrate.ts'
import { shellWord } from '../../lib/shell-text.ts'
import type { Check } from '../../schemas/operations/health.ts'
import { fail, ok, warn } from './check.ts'

/** A start takes milliseconds; a minute is Temporal's absence, or a relay that does not run. */
const OVERDUE_MS = 60_000
/** The reconciler looks every minute, and a write that is tried again is looked at every half. */
const STALE_MS = 10 * 60_000

export async function databaseChecks(database: Database, organization: string): Promise<Check[]> {
  const [state, backlog] = await Promise.all([
    migrationState(database),
    loadBacklog(database, { organization, overdueMs: OVERDUE_MS, staleMs: STALE_MS }),
  ])
  return [
    ok('postgresql', 'PostgreSQL answers.'),
    migrationCheck(state),
    deliveryCheck(backlog),
    openRowCheck(backlog),
    unknownCheck(backlog),
  ]
}

/** How far PostgreSQL's clock is ahead of ours. */
export async function databaseAheadMs(database: Database): Promise<number> {
  const beforeMs = Date.now()
  const databaseMs = await loadDatabaseClock(database)
  return databaseMs - (beforeMs + Date.now()) / 2
}

export function migrationCheck({ applied, missing, changed, foreign }: MigrationState): Check {
  const name = 'migrations'
  if (changed.length > 0) {
    const summary = `Files have changed since they were applied: ${changed.join(', ')}.`
    return fail(name, summary, 'Restore them, and write a new migration for what is to be different.')
  }
  if (missing.length > 0) {
    return fail(name, `Not applied: ${missing.join(', ')}.`, 'Start the API or a worker anew: both migrate.')
  }
  if (foreign.length > 0) {
    const summary = `The database is newer than this API: it has ${foreign.join(', ')}.`
    return warn(name, summary, 'Finish the rollout, so that all processes are of one version.')
  }
  return ok(name, `All ${applied} are applied, and none has changed.`)
}

export function deliveryCheck(backlog: BacklogRow): Check {
  const name = 'deliveries'
  const { pending, overdue, overdue_seconds, oldest_overdue, refused, refused_id, refused_error } = backlog
  if (refused > 0) {
    return fail(
      name,
      `Temporal refuses to start ${count(refused, 'delivery', 'deliveries')}, such as ${refused_id}: ${refused_error}`,
      'Remove the cause. They are kept and tried again by themselves, at least every ten minutes.',
    )
  }
  if (overdue > 0) {
    const summary =
      `${count(overdue, 'delivery waits', 'deliveries wait')} to be started, the oldest, ${oldest_overdue}, for ` +
      `${overdue_seconds} s.`
    return warn(name, summary, 'If Temporal is there, look for the relay in the log of the API.')
  }
  return ok(name, pending === 0 ? 'Everything accepted is started.' : `${pending} are just being started.`)
}

export function openRowCheck({ stale, stale_id, waiting }: BacklogRow): Check {
  const name = 'open_writes'
  if (stale === 0)
    return ok(name, `No write is stuck; ${count(waiting, 'approval waits', 'approvals wait')} for people.`)
  return warn(
    name,
    `${count(stale, 'write is', 'writes are')} open for over ten minutes and wait for nobody, such as ${stale_id}.`,
    `Look at the run: \`countersign writebacks show ${shellWord(stale_id ?? '')}\`. If it has ended, the reconciler does not work.`,
  )
}

export function unknownCheck({ unknown, unknown_id }: BacklogRow): Check {
  const name = 'unknown_outcomes'
  if (unknown === 0) return ok(name, 'The outcome of every write is known.')
  return warn(
    name,
    `Nobody can tell whether ${count(unknown, 'write was', 'writes were')} done, such as ${unknown_id}.`,
    `Look at the target of \`countersign writebacks show ${shellWord(unknown_id ?? '')}\`, then resolve the writeback.`,
  )
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}
