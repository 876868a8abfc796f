/**
 * Connections to the databases that automations write to, kept per address for the life of the worker. All that a
 * connection is made of comes from its manifest and the operator: nothing from files that an address names, nothing of
 * what the worker's environment (PG…) or home folder (.pgpass) has for the worker's own database.
 */
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { allowedFor, type AllowedHost } from '../../lib/allowed-hosts.ts'
import { digestOf } from '../../lib/canonical-json.ts'
import type { DatabaseAddress } from '../../lib/database-address.ts'
import { guardedSocket } from '../../lib/guarded-lookup.ts'

/** With secrets resolved. */
export interface TargetDatabase {
  organization: string
  address: DatabaseAddress
  tls: { ca?: string | undefined; certificate?: string | undefined; key?: string | undefined }
  /** All that it was made of, for whoever keeps them out of what the database says. */
  secrets: readonly string[]
}

export interface TargetDatabases {
  poolFor(target: TargetDatabase): pg.Pool
  close(): Promise<void>
}

/** 4 connections per target: a write holds one for a few statements, and the target is somebody else's database. */
const MAX_CONNECTIONS = 4
const IDLE_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
/** A server that asks for more rounds of its hash wants our threads. PostgreSQL's own number is 4,096. */
const MAX_SCRAM_ITERATIONS = 100_000

export function createTargetDatabases(allowedHosts: readonly AllowedHost[]): TargetDatabases {
  const pools = new Map<string, pg.Pool>()
  return {
    poolFor(target) {
      const id = digestOf(target)
      const known = pools.get(id)
      if (known) return known
      const pool = createPool(target, allowedFor(allowedHosts, target.organization))
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

/** What is left out here, or is empty, the driver takes from the environment. */
function createPool({ address, tls }: TargetDatabase, allowed: readonly AllowedHost[]): pg.Pool {
  const config: pg.PoolConfig & { scramMaxIterations: number; sslnegotiation: string } = {
    host: address.hostname,
    port: address.port,
    database: address.database,
    user: address.user,
    // A function counts as given also if there is no password.
    password: () => address.password,
    ssl: tlsOptions(address, tls),
    sslnegotiation: 'postgres',
    client_encoding: 'UTF8',
    application_name: 'countersign',
    stream: () => guardedSocket(allowed),
    max: MAX_CONNECTIONS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    scramMaxIterations: MAX_SCRAM_ITERATIONS,
    Client: TargetClient,
  }
  return new pg.Pool(config)
}

/** Without the two startup parameters that have no value which means “none”, and so would be the environment's. */
class TargetClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config)
    const { connectionParameters } = this as unknown as { connectionParameters: Record<string, unknown> }
    delete connectionParameters['options']
    delete connectionParameters['replication']
  }
}

function tlsOptions({ sslMode }: DatabaseAddress, tls: TargetDatabase['tls']): ConnectionOptions | false {
  if (sslMode === 'disable') return false
  return {
    rejectUnauthorized: sslMode !== 'require',
    ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  }
}
