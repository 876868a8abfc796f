/**
 * What a process does first: wait until PostgreSQL answers, and bring the database up to date. Only its absence, and a
 * table that others hold, are waited for: a migration that fails, or a file that has changed since it was applied, ends the process with its own words.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from './away.ts'
import type { Database } from './database.ts'
import { migrate } from './migrate.ts'

const WAIT_MS = 2_000
const LOCK_NOT_AVAILABLE = '55P03'

interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** False if it was stopped before. */
export async function migrateWhenReady(
  database: Database,
  logger: Log,
  stopped: AbortSignal,
): Promise<boolean> {
  while (!stopped.aborted) {
    try {
      const applied = await migrate(database)
      if (applied.length > 0) logger.info({ applied }, 'the database is up to date')
      return !stopped.aborted
    } catch (error) {
      const isLocked = (error as { code?: unknown }).code === LOCK_NOT_AVAILABLE
      if (!isLocked && !isDatabaseAway(error)) throw error
      const advice = isLocked
        ? 'a migration waits for others who use its tables, such as a backup'
        : 'waiting for PostgreSQL: set DATABASE_URL, or start it'
      logger.warn({ reason: String(error) }, advice)
      await sleep(WAIT_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
  return false
}
