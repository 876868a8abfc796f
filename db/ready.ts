/**
 * What a process does first: wait until PostgreSQL answers, and bring the database up to date. Only its absence is waited
 * for: a migration that fails, or a file that has changed since it was applied, ends the process with its own words.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from './away.ts'
import type { Database } from './database.ts'
import { migrate } from './migrate.ts'

const WAIT_MS = 2_000

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
      if (!isDatabaseAway(error)) throw error
      logger.warn({ reason: String(error) }, 'waiting for PostgreSQL: set DATABASE_URL, or start it')
      await sleep(WAIT_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
  return false
}
