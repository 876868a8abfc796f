/**
 * Connections to the databases that automations write to, kept per address for the next write. All that a
 * connection is made of comes from its manifest and the operator: nothing from files that an address names, nothing of
 * what the worker's environment (PG…) or home folder (.pgpass) has for the worker's own database.
 */
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { ListeningClient } from '../../db/client.ts'
import { allowedFor, type AllowedHost } from '../../lib/allowed-hosts.ts'
import { digestOf } from '../../lib/canonical-json.ts'
import type { DatabaseAddress } from '../../lib/database-address.ts'
import { guardedSocket } from '../../lib/guarded-lookup.ts'
import { MOST_KEPT, whoHasToGo, type Kept, type Room } from '../../lib/kept.ts'
import { TLS_BOUNDS } from '../../lib/tls-bounds.ts'
import { inStretch } from '../../mcp/stretch.ts'
import { guardAnswers, refuseMany, type DriverConnection } from './sql-wire.ts'

/** With secrets resolved. */
export interface TargetDatabase {
  organization: string
  address: DatabaseAddress
  tls: { ca?: string | undefined; certificate?: string | undefined; key?: string | undefined }
  /** All that it was made of, for whoever keeps them out of what the database says. */
  secrets: readonly string[]
}

export interface TargetDatabases {
  /** The pool stays open as long as the work goes on. Throws ORGANIZATION_BUSY, before anything is connected to. */
  lend<T>(target: TargetDatabase, work: (pool: pg.Pool) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** 4 connections per target: a write holds one for a few statements, and the target is somebody else's database. */
const MAX_CONNECTIONS = 4
const IDLE_TIMEOUT_MS = 30_000
const CONNECT_TIMEOUT_MS = 5_000
/** For a server to close its side after ours. */
const CLOSE_LIMIT_MS = 1_000
/** A server that asks for more rounds of its hash wants our threads. PostgreSQL's own number is 4,096. */
const MAX_SCRAM_ITERATIONS = 100_000

export function createTargetDatabases(
  allowedHosts: readonly AllowedHost[],
  most: Room = MOST_KEPT,
): TargetDatabases {
  const state: Targets = { allowedHosts, most, byId: new Map(), open: new Set() }
  return {
    async lend(target, work) {
      const lent = await borrow(state, target)
      try {
        return await work(lent.pool)
      } finally {
        giveBack(state, lent)
      }
    },
    async close() {
      await Promise.all([...state.open].map((one) => end(state, one)))
    },
  }
}

interface Targets {
  allowedHosts: readonly AllowedHost[]
  most: Room
  /** Those that are lent. */
  byId: Map<string, OpenTarget>
  /** Also those that are being closed, in the order of last use. */
  open: Set<OpenTarget>
}

interface OpenTarget extends Kept {
  id: string
  pool: pg.Pool
  users: number
  /** Set once when closing begins. */
  ended?: Promise<void>
}

async function borrow(state: Targets, target: TargetDatabase): Promise<OpenTarget> {
  const id = digestOf(target)
  const owner = target.organization
  for (;;) {
    const known = state.byId.get(id)
    const leaving = known ? null : whoHasToGo(state.open, { owner, size: 1 }, state.most)
    if (!leaving) {
      const one = known ?? start(state, id, target)
      one.users += 1
      return one
    }
    // Somebody else may be first.
    await end(state, leaving)
  }
}

function giveBack({ open }: Targets, one: OpenTarget): void {
  one.users -= 1
  // To the end of the order, unless it was closed meanwhile.
  if (open.delete(one)) open.add(one)
}

function start(state: Targets, id: string, target: TargetDatabase): OpenTarget {
  const pool = createPool(target, allowedFor(state.allowedHosts, target.organization))
  // An idle connection that breaks is replaced on next use; without a listener it would end the worker.
  pool.on('error', () => undefined)
  const one: OpenTarget = { id, owner: target.organization, size: 1, users: 0, pool }
  state.byId.set(id, one)
  state.open.add(one)
  return one
}

function end(state: Targets, one: OpenTarget): Promise<void> {
  if (state.byId.get(one.id) === one) state.byId.delete(one.id)
  one.ended ??= one.pool.end().finally(() => state.open.delete(one))
  return one.ended
}

/** What is left out here, or is empty, the driver takes from the environment. */
function createPool(
  { organization, address, tls }: TargetDatabase,
  allowed: readonly AllowedHost[],
): pg.Pool {
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
    stream: () => guardedSocket(allowed, (read) => inStretch(organization, read)),
    max: MAX_CONNECTIONS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    scramMaxIterations: MAX_SCRAM_ITERATIONS,
    Client: TargetClient,
    types: { getTypeParser: readerOf },
  }
  return new pg.Pool(config)
}

/**
 * Of truths and of JSON, which our statements read; all else is text. Which type a value has is said by the server, and
 * what the driver has for others may take hours for a text that is made for it.
 */
function readerOf(type: number): (text: string) => unknown {
  if (type === pg.types.builtins.BOOL) return (text) => text === 't'
  return type === pg.types.builtins.JSONB ? readJson : (text) => text
}

function readJson(text: string): unknown {
  refuseMany([text])
  return JSON.parse(text)
}

/**
 * Without the two startup parameters that have no value which means “none”, and so would be the environment's. It closes
 * its socket by itself: a server that does not would have us keep one for each call.
 */
class TargetClient extends ListeningClient {
  constructor(config?: pg.ClientConfig) {
    super(config)
    delete innerOf(this).connectionParameters['options']
    delete innerOf(this).connectionParameters['replication']
    guardAnswers(innerOf(this).connection)
  }

  override connect(): Promise<this>
  override connect(callback: (error: Error | null) => void): void
  override connect(callback?: (error: Error | null) => void): Promise<this> | void {
    if (callback === undefined) throw new Error('only a pool connects')
    return super.connect((error: Error | null) => {
      if (error) innerOf(this).connection.stream.destroy()
      callback(error)
    })
  }

  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | void {
    setTimeout(() => innerOf(this).connection.stream.destroy(), CLOSE_LIMIT_MS).unref()
    return callback ? super.end(callback) : super.end()
  }
}

/** What the driver does not declare. */
function innerOf(client: pg.Client) {
  return client as unknown as {
    connectionParameters: Record<string, unknown>
    connection: DriverConnection
  }
}

function tlsOptions({ sslMode }: DatabaseAddress, tls: TargetDatabase['tls']): ConnectionOptions | false {
  if (sslMode === 'disable') return false
  return {
    ...TLS_BOUNDS,
    rejectUnauthorized: sslMode !== 'require',
    ...(sslMode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  }
}
