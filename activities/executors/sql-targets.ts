/** Connections to the databases that automations write to, kept per address for the life of the worker. */
import pg from 'pg'
import { sha256Hex } from '../../lib/canonical-json.ts'

export interface TargetDatabases {
  poolFor(url: string): pg.Pool
  close(): Promise<void>
}

/** 4 connections per target: a write holds one for a few statements, and the target is somebody else's database. */
const MAX_CONNECTIONS = 4
const IDLE_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000

export function createTargetDatabases(): TargetDatabases {
  const pools = new Map<string, pg.Pool>()
  return {
    poolFor(url) {
      const id = sha256Hex(url)
      const known = pools.get(id)
      if (known) return known
      const pool = new pg.Pool({
        connectionString: url,
        max: MAX_CONNECTIONS,
        idleTimeoutMillis: IDLE_TIMEOUT_MS,
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        application_name: 'countersign',
      })
      // An idle connection that breaks is replaced on next use; without a listener it would end the worker.
      pool.on('error', () => undefined)
      pools.set(id, pool)
      return pool
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.end()))
      pools.clear()
    },
  }
}
