/**
 * What a process does first: wait until PostgreSQL answers, and bring the database up to date. Only its absence, a
 * table that others hold, and an owner who has not been there are waited for: a migration that fails, or a file that has changed since it was applied, ends the process with its own words.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { isDatabaseAway } from './away.ts'
import type { Database } from './database.ts'
import { migrate } from './migrate.ts'

const WAIT_MS = 2_000
const LOCK_NOT_AVAILABLE = '55P03'
const INSUFFICIENT_PRIVILEGE = '42501'

const LOCKED = 'a migration waits for others who use its tables, such as a backup'
const FOR_OWNER =
  'waiting for the owner of the tables to bring them up to date: run dist/api/migrate.js with its DATABASE_URL'
const AWAY = 'waiting for PostgreSQL: set DATABASE_URL, or start it'

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
      const isForOwner = (error as { code?: unknown }).code === INSUFFICIENT_PRIVILEGE
      if (!isLocked && !isForOwner && !isDatabaseAway(error)) throw error
      logger.warn({ reason: String(error) }, isLocked ? LOCKED : isForOwner ? FOR_OWNER : AWAY)
      await sleep(WAIT_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
  return false
}
