/**
 * One data directory of PostgreSQL: made in one step, started, looked at. Everything is bounded in time, and only a
 * process that is surely this cluster's server is ever signalled.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import path from 'node:path'
import { Client } from 'pg'
import { CodedError } from '../../schemas/errors.ts'
import type { Account } from './postgres-account.ts'
import type { PostgresBinaries } from './postgres-binaries.ts'
import { INSTEAD, POSTGRES_ENVIRONMENT } from './postgres-binaries.ts'
import { choosePort, LOOPBACK } from './ports.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { identify } from './process-identity.ts'
import type { Log } from './waiting.ts'
import { run, until } from './waiting.ts'

const SUPERUSER = 'postgres'
const START_TIMEOUT_MS = 120_000
const BUSY_TIMEOUT_MS = 15_000
const LOG_TAIL_LENGTH = 1_500

export interface Cluster {
  dataDir: string
  passwordFile: string
  account: Account | undefined
  binaries: PostgresBinaries
  log: Log
  throwaway: boolean | undefined
}

export interface RunningServer {
  identity: ProcessIdentity
  port: number
  url: string
}

/** A killed `initdb` leaves only `<dataDir>.new`, never half a data directory. */
export async function initialise(cluster: Cluster): Promise<void> {
  const { dataDir, account } = cluster
  if (fs.existsSync(path.join(dataDir, 'PG_VERSION'))) return
  if (fs.existsSync(dataDir) && fs.readdirSync(dataDir).length > 0) {
    throw new CodedError(
      'UNAVAILABLE',
      `${dataDir} is not empty and holds no PostgreSQL data; name another folder.`,
    )
  }
  cluster.log(`making a new PostgreSQL database cluster in ${dataDir}`)
  if (!fs.existsSync(cluster.passwordFile)) {
    fs.writeFileSync(cluster.passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600 })
  }
  const unfinished = `${dataDir}.new`
  const passwordCopy = `${dataDir}.new-password`
  fs.rmSync(unfinished, { recursive: true, force: true })
  fs.mkdirSync(unfinished, { mode: 0o700 })
  try {
    fs.writeFileSync(passwordCopy, readPassword(cluster), { mode: 0o600 })
    if (account !== undefined) {
      for (const file of [unfinished, passwordCopy]) fs.chownSync(file, account.uid, account.gid)
    }
    const settings = cluster.throwaway ? ['--no-sync'] : []
    const fixed = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', `--username=${SUPERUSER}`]
    const options = { cwd: '/', env: POSTGRES_ENVIRONMENT, account, timeoutMs: START_TIMEOUT_MS }
    const flags = ['-D', unfinished, `--pwfile=${passwordCopy}`, ...fixed, ...settings]
    const made = await run(cluster.binaries.initdb, flags, options)
    if (!made.succeeded)
      throw new CodedError('UNAVAILABLE', `initdb has failed. ${INSTEAD} It says: ${made.output}`)
    fs.renameSync(unfinished, dataDir)
  } finally {
    fs.rmSync(passwordCopy, { force: true })
    fs.rmSync(unfinished, { recursive: true, force: true })
  }
}

/**
 * The server that a killed parent left behind, if it answers to our password with our data directory.
 * A server that is still starting or ending is waited for; a dead one that nobody has reaped yet as well.
 */
export async function findRunning(cluster: Cluster): Promise<RunningServer | undefined> {
  const outcome = await until<RunningServer | 'none'>(
    async () => {
      const noted = readPidFile(cluster.dataDir)
      if (noted === undefined) return 'none'
      const identity = identify(noted.pid)
      if (identity === undefined) return pidExists(noted.pid) ? undefined : 'none'
      if (!isPostgres(identity)) return 'none'
      const url = urlFor(cluster, noted.port)
      const answered = await dataDirectoryOf(url)
      if (answered === undefined) return undefined
      return answered === fs.realpathSync(cluster.dataDir) ? { identity, port: noted.port, url } : 'none'
    },
    { timeoutMs: BUSY_TIMEOUT_MS, intervalMs: 200 },
  )
  return outcome === 'none' ? undefined : outcome
}

/** Starts the server and returns once it takes connections. */
export async function launch(cluster: Cluster, wishedPort: number | undefined): Promise<RunningServer> {
  removeMisleadingPidFile(cluster.dataDir)
  const logFile = path.join(cluster.dataDir, 'server.log')
  const deadline = Date.now() + BUSY_TIMEOUT_MS
  for (;;) {
    const port = await choosePort(wishedPort)
    if (wishedPort !== undefined && port !== wishedPort) {
      cluster.log(`port ${wishedPort} is taken: PostgreSQL uses ${port}`)
    }
    const logOffset = fs.statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
    const started = await startOnce(cluster, { port, logFile })
    const running = started ? await findRunning(cluster) : undefined
    if (running !== undefined) return running
    const reason = fs.existsSync(logFile) ? fs.readFileSync(logFile).subarray(logOffset).toString() : ''
    // Back-ends of a killed server hold its shared memory for a moment, and another program may take the port first.
    const passing = /shared memory block|lock file|could not bind|Address already in use/.test(reason)
    if (!passing || Date.now() >= deadline) {
      const tail = reason.slice(-LOG_TAIL_LENGTH).trim()
      throw new CodedError(
        'UNAVAILABLE',
        `PostgreSQL does not start in ${cluster.dataDir}. ${INSTEAD} It says: ${tail}`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

async function startOnce(cluster: Cluster, options: { port: number; logFile: string }): Promise<boolean> {
  const serverFlags = `-p ${options.port} -c listen_addresses=${LOOPBACK} -c unix_socket_directories= -c max_connections=200`
  const flags = ['-D', cluster.dataDir, '-l', options.logFile, '-w', '-t', String(START_TIMEOUT_MS / 1000)]
  const started = await run(cluster.binaries.pgCtl, [...flags, '-o', serverFlags, 'start'], {
    cwd: '/',
    env: POSTGRES_ENVIRONMENT,
    account: cluster.account,
    timeoutMs: START_TIMEOUT_MS + 5_000,
    discardOutput: true,
  })
  return started.succeeded
}

/** Line 1 is the pid, line 4 the port; a server that is just starting has not written all of it yet. */
export function readPidFile(dataDir: string): { pid: number; port: number } | undefined {
  try {
    const lines = fs.readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]) }
  } catch {
    return undefined
  }
}

/**
 * PostgreSQL takes any process with the noted pid for its own server if it may signal it, and refuses to start.
 * A pid that now belongs to something else proves that the server is gone; so does a zombie nobody reaps.
 */
function removeMisleadingPidFile(dataDir: string): void {
  const noted = readPidFile(dataDir)
  if (noted === undefined) return
  const identity = identify(noted.pid)
  const foreign = identity !== undefined && !isPostgres(identity)
  const unreaped = identity === undefined && pidExists(noted.pid)
  if (foreign || unreaped) fs.rmSync(path.join(dataDir, 'postmaster.pid'), { force: true })
}

export function isPostgres(identity: ProcessIdentity): boolean {
  return /(^|\/)postgres -D /.test(identity.command)
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function readPassword(cluster: Cluster): string {
  try {
    return fs.readFileSync(cluster.passwordFile, 'utf8').trim()
  } catch (error) {
    const detail = `${cluster.passwordFile}, the password to the data in ${cluster.dataDir}, cannot be read.`
    throw new CodedError('UNAVAILABLE', `${detail} Restore it, or remove the data.`, { cause: error })
  }
}

function urlFor(cluster: Cluster, port: number): string {
  return `postgres://${SUPERUSER}:${encodeURIComponent(readPassword(cluster))}@${LOOPBACK}:${port}/postgres`
}

/** Undefined when nothing answers there, or something that does not know our password. */
async function dataDirectoryOf(url: string): Promise<string | undefined> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000, query_timeout: 2_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const result = await client.query<{ data_directory: string }>('SHOW data_directory')
    const directory = result.rows[0]?.data_directory
    return directory === undefined ? undefined : fs.realpathSync(directory)
  } catch {
    return undefined
  } finally {
    await client.end().catch(() => undefined)
  }
}
