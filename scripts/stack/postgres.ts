/**
 * A real PostgreSQL server for development and tests, from the packages npm installed, or the one `databaseUrl` names.
 *
 * Ours: data directory that survives every kind of death, 127.0.0.1 only, one superuser with a generated password in a
 * 0600 file beside the data. The server outlives a killed parent; the next start with the same `dataDir` adopts it.
 */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { Client, escapeIdentifier } from 'pg'
import { CodedError } from '../../schemas/errors.ts'
import { withLock } from './lock.ts'
import { chooseDataDir, findAccount, notedDataDir } from './postgres-account.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'
import type { RunningServer } from './postgres-cluster.ts'
import { findRunning, initialise, isPostgres, launch, readPidFile } from './postgres-cluster.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { endProcess, identify } from './process-identity.ts'
import type { Log } from './waiting.ts'
import { isErrno, messageOf } from './waiting.ts'

/** As root, what PostgreSQL's account cannot reach in a private home directory is kept here instead. */
const SHARED_ROOT = '/var/lib/countersign'
const STOP_GRACE_MS = 15_000
const START_LOCK_TIMEOUT_MS = 180_000
const DUPLICATE_DATABASE = ['42P04', '23505']

export interface PostgresOptions {
  dataDir: string
  log: Log
  /** A server that is there already: it is used, and never stopped. */
  databaseUrl?: string | undefined
  /** Wished for; another one is taken if it is not free. */
  port?: number | undefined
  sharedRoot?: string | undefined
  /** Does not wait until a new data directory is safe from a power cut. */
  throwaway?: boolean | undefined
}

export interface Postgres {
  /** Names the superuser and the maintenance database; make your own with `ensureDatabase`. */
  url: string
  pid: number | undefined
  /** Where the data really is; undefined for a server of somebody else. */
  dataDir: string | undefined
  adopted: boolean
  stop(): Promise<void>
}

export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  if (options.databaseUrl !== undefined) return useExisting(options.databaseUrl, options.log)
  const wished = path.resolve(options.dataDir)
  const lock = { file: `${wished}.lock`, purpose: 'starting PostgreSQL', timeoutMs: START_LOCK_TIMEOUT_MS }
  return withLock({ ...lock, log: options.log }, () => startOwn(wished, options))
}

async function startOwn(wished: string, options: PostgresOptions): Promise<Postgres> {
  const { log, sharedRoot = SHARED_ROOT } = options
  const account = await findAccount(wished, log)
  const binaries = await findPostgresBinaries({ account, sharedRoot, log })
  const dataDir = await chooseDataDir({ wished, account, sharedRoot, log })
  const cluster = {
    dataDir,
    passwordFile: `${wished}.password`,
    account,
    binaries,
    log,
    throwaway: options.throwaway,
  }
  await initialise(cluster)
  const found = await findRunning(cluster)
  const server = found ?? (await launch(cluster, options.port))
  const adopted = found !== undefined
  if (adopted)
    log(`PostgreSQL is running already (pid ${server.identity.pid}, port ${server.port}): using it`)
  return {
    url: server.url,
    pid: server.identity.pid,
    dataDir,
    adopted,
    stop: () => stopServer(server, dataDir),
  }
}

/** SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back, the data is left consistent. */
async function stopServer(server: RunningServer, dataDir: string): Promise<void> {
  const gone = await endProcess(server.identity, { firstSignal: 'SIGINT', graceMs: STOP_GRACE_MS })
  if (gone) return
  throw new CodedError(
    'UNAVAILABLE',
    `PostgreSQL (pid ${server.identity.pid}, ${dataDir}) does not end. End it with \`kill -9\`.`,
  )
}

/** Our server on `wished`, whoever started it, if it is running: never a foreign process with a reused pid. */
export function postgresServerOf(wished: string): ProcessIdentity | undefined {
  const dataDir = notedDataDir(wished) ?? wished
  const noted = readPidFile(dataDir)
  const identity = noted === undefined ? undefined : identify(noted.pid)
  const ours = identity !== undefined && isPostgres(identity) && identity.command.includes(dataDir)
  return ours ? identity : undefined
}

/** Ends the server on `wished` at once, whoever started it, and removes the data. For throwaway folders only. */
export async function discardPostgres(wished: string): Promise<void> {
  const identity = postgresServerOf(wished)
  if (identity !== undefined) await endProcess(identity, { firstSignal: 'SIGQUIT', graceMs: 5_000 })
  const others = ['.password', '.location', '.lock'].map((suffix) => wished + suffix)
  for (const file of [notedDataDir(wished) ?? wished, ...others]) {
    rmSync(file, { recursive: true, force: true })
  }
}

async function useExisting(databaseUrl: string, log: Log): Promise<Postgres> {
  const place = withoutPassword(databaseUrl)
  try {
    await withClient(databaseUrl, (client) => client.query('SELECT 1'))
  } catch (error) {
    const detail =
      `The PostgreSQL server that the database URL names (${place}) does not answer: ${messageOf(error)}. ` +
      'Start it, or unset DATABASE_URL to have one started here.'
    throw new CodedError('UNAVAILABLE', detail, { cause: error })
  }
  log(`using the PostgreSQL server at ${place}`)
  return {
    url: databaseUrl,
    pid: undefined,
    dataDir: undefined,
    adopted: false,
    stop: () => Promise.resolve(),
  }
}

/** Makes the database if it is missing, also when several processes ask at once; returns the URL that names it. */
export async function ensureDatabase(url: string, name: string): Promise<string> {
  await withClient(url, async (client) => {
    const existing = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
    if (existing.rowCount !== 0) return
    try {
      await client.query(`CREATE DATABASE ${escapeIdentifier(name)}`)
    } catch (error) {
      if (!DUPLICATE_DATABASE.some((code) => isErrno(error, code))) throw error
    }
  })
  const target = new URL(url)
  target.pathname = `/${encodeURIComponent(name)}`
  return target.toString()
}

async function withClient<Value>(url: string, work: (client: Client) => Promise<Value>): Promise<Value> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

function withoutPassword(databaseUrl: string): string {
  try {
    const url = new URL(databaseUrl)
    return `${url.host || 'local socket'}${url.pathname}`
  } catch {
    return 'not a valid URL'
  }
}
