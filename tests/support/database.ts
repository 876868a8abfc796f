/**
 * A database of its own for a test file, on the server of the test run: migrated, dropped when every test has passed,
 * and kept, with its name in the output, when one has failed.
 */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import { createDatabase, type Database } from '../../db/database.ts'
import { migrate } from '../../db/migrate.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'

export interface TestDatabase {
  url: string
  database: Database
}

interface TaskLike {
  result?: { state: string } | undefined
  tasks?: readonly TaskLike[]
}

/** Call it at the top of a file or of a `describe`; what it returns is filled before the first test. */
export function useTestDatabase(options: { migrated?: boolean } = {}): TestDatabase {
  const { migrated = true } = options
  const made: Partial<TestDatabase> = {}
  beforeAll(async () => {
    made.url = await ensureDatabase(inject('databaseUrl'), `test_${randomUUID().replaceAll('-', '')}`)
    made.database = createDatabase(made.url)
    if (migrated) await migrate(made.database)
  })
  afterAll(async ({}, suite) => {
    const { url, database } = made
    if (!url) return
    await database?.end()
    if (hasFailed(suite)) process.stderr.write(`[test] kept the database ${new URL(url).pathname.slice(1)}\n`)
    else await dropDatabase(url)
  })
  return {
    get url() {
      return required(made.url)
    },
    get database() {
      return required(made.database)
    },
  }
}

async function dropDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1)
  const client = new pg.Client({ connectionString: inject('databaseUrl') })
  await client.connect()
  try {
    await client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`)
  } finally {
    await client.end()
  }
}

function hasFailed(task: TaskLike): boolean {
  return task.result?.state === 'fail' || (task.tasks ?? []).some(hasFailed)
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the test database is made in beforeAll: use it inside a test')
  return value
}
