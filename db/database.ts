/** The connection to our own PostgreSQL. Query functions take a `Queryable`, so a pool and a transaction both fit. */
import pg from 'pg'
import { ListeningClient } from './client.ts'

export interface Queryable {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>
}

export type Database = pg.Pool

/** 10 connections: an activity holds one for milliseconds, and PostgreSQL's default allows 100 in all. */
const MAX_CONNECTIONS = 10
/**
 * A machine that lost its power or its network in the middle of a transaction hangs up on nobody, and what it has locked
 * would stay so for hours. Ours do nothing between two statements, so that this much idleness is only ever that.
 */
const IDLE_IN_TRANSACTION_MS = 10_000

interface DatabaseOptions {
  /** A statement that takes longer is ended by PostgreSQL; none is unless given. */
  statementTimeoutMs?: number
  /** By which `countersign doctor` knows whose connection it is. */
  usedBy?: 'API' | 'worker'
}

export function createDatabase(
  databaseUrl: string,
  { statementTimeoutMs, usedBy }: DatabaseOptions = {},
): Database {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: 5_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    Client: ListeningClient,
    ...(usedBy === undefined ? {} : { fallback_application_name: `countersign ${usedBy}` }),
    ...(statementTimeoutMs === undefined ? {} : { statement_timeout: statementTimeoutMs }),
  })
  // An idle connection that breaks is replaced on next use; without a listener it would end the process.
  pool.on('error', () => undefined)
  return pool
}

/** Runs `work` in one transaction; whatever it throws rolls back and is thrown on. */
export async function inTransaction<T>(database: Database, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await database.connect()
  let broken: Error | undefined
  try {
    await client.query('begin')
    const result = await work(client)
    const { command } = await client.query('commit')
    // PostgreSQL's answer to COMMIT after a failed statement, also if `work` took no notice of the failure.
    if (command === 'ROLLBACK')
      throw new Error('the transaction was rolled back: a statement in it had failed')
    return result
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    // A connection whose rollback failed is closed instead of going back to the pool.
    client.release(broken)
  }
}

/** The one row of a statement that must give one; a missing row is a defect, not a user's error. */
export function requireRow<T>(rows: readonly T[], what: string): T {
  const [row] = rows
  if (row === undefined) throw new Error(`no row came back for ${what}`)
  return row
}
