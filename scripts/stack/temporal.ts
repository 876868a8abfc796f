/**
 * A Temporal server with Web UI for development and tests, or the one `address` names.
 *
 * Ours: 127.0.0.1 only, everything in one SQLite file in write-ahead mode, so that a killed server loses nothing it has
 * acknowledged. It outlives a killed parent; the next start with the same file adopts it, or ends it and starts anew
 * when it was started in another way. Either way our search attributes are registered when this returns.
 */
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Connection, type ConnectionOptions } from '@temporalio/client'
import { CodedError } from '../../schemas/errors.ts'
import { withLock } from './lock.ts'
import { LOOPBACK } from './ports.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { endProcess, isStillRunning } from './process-identity.ts'
import { keepClosedWorkflows, registerSearchAttributes } from './temporal-namespace.ts'
import type { ServerPlan, ServerRecord } from './temporal-server.ts'
import { readRecord, recordFile, spawnServer } from './temporal-server.ts'
import type { Log } from './waiting.ts'
import { messageOf } from './waiting.ts'

const STOP_GRACE_MS = 10_000
const START_LOCK_TIMEOUT_MS = 90_000
const CONNECT_TIMEOUT_MS = 5_000
const DEFAULT_NAMESPACE = 'default'

export interface TemporalOptions {
  log: Log
  /** A server that is there already: it is used, and never stopped. */
  address?: string | undefined
  /** How that one is reached, if not without TLS. */
  connection?: Pick<ConnectionOptions, 'tls' | 'apiKey'> | undefined
  /** The program to start; needed without `address`. */
  binary?: string | undefined
  /** Needed without `address`; its folder also holds the server's log and the note of its pid and ports. */
  dbFile?: string | undefined
  /** Wished for; others are taken if they are not free. */
  port?: number | undefined
  uiPort?: number | undefined
  /** Where its UI asks for the values that histories hold encoded. */
  codecEndpoint?: string | undefined
  /** Besides `default`. */
  namespaces?: string[] | undefined
}

export interface Temporal {
  address: string
  uiUrl: string | undefined
  pid: number | undefined
  adopted: boolean
  stop(): Promise<void>
}

export async function startTemporal(options: TemporalOptions): Promise<Temporal> {
  const namespaces = [...new Set([DEFAULT_NAMESPACE, ...(options.namespaces ?? [])])]
  if (options.address !== undefined) return useExisting(options.address, namespaces, options)
  if (options.binary === undefined || options.dbFile === undefined) {
    throw new CodedError(
      'INVALID_INPUT',
      'startTemporal needs either `address` or both `binary` and `dbFile`.',
    )
  }
  const dbFile = path.resolve(options.dbFile)
  mkdirSync(path.dirname(dbFile), { recursive: true })
  const { binary, port, uiPort, codecEndpoint, log } = options
  const plan: ServerPlan = { binary, dbFile, namespaces, port, uiPort, codecEndpoint, log }
  const lock = { file: `${dbFile}.lock`, purpose: 'starting Temporal', timeoutMs: START_LOCK_TIMEOUT_MS, log }
  return withLock(lock, () => startOwn(plan))
}

async function startOwn(plan: ServerPlan): Promise<Temporal> {
  const adopted = await adoptOrEnd(plan)
  const record = adopted ?? (await spawnServer(plan))
  const address = `${LOOPBACK}:${record.port}`
  try {
    await prepareNamespaces(address, plan)
  } catch (error) {
    if (adopted === undefined) await stopServer(record, plan.dbFile)
    throw error
  }
  return {
    address,
    uiUrl: `http://${LOOPBACK}:${record.uiPort}`,
    pid: record.identity.pid,
    adopted: adopted !== undefined,
    stop: () => stopServer(record, plan.dbFile),
  }
}

/** Two servers on one SQLite file would damage it: a leftover is either used or ended, never ignored. */
async function adoptOrEnd(plan: ServerPlan): Promise<ServerRecord | undefined> {
  const record = readRecord(plan.dbFile)
  if (record === undefined || !isStillRunning(record.identity)) return undefined
  const sameWishes =
    (plan.port === undefined || plan.port === record.port) &&
    (plan.uiPort === undefined || plan.uiPort === record.uiPort) &&
    plan.binary === record.binary &&
    (plan.codecEndpoint === undefined || plan.codecEndpoint === record.codecEndpoint) &&
    plan.namespaces.every((namespace) => record.namespaces.includes(namespace))
  if (sameWishes && (await answers(`${LOOPBACK}:${record.port}`))) {
    plan.log(`Temporal is running already (pid ${record.identity.pid}, port ${record.port}): using it`)
    return record
  }
  plan.log(`ending a Temporal server that was left behind (pid ${record.identity.pid})`)
  await stopServer(record, plan.dbFile)
  return undefined
}

async function stopServer(record: ServerRecord, dbFile: string): Promise<void> {
  const gone = await endProcess(record.identity, { graceMs: STOP_GRACE_MS })
  if (!gone)
    throw new CodedError(
      'UNAVAILABLE',
      `Temporal (pid ${record.identity.pid}) does not end. End it with \`kill -9\`.`,
    )
  rmSync(recordFile(dbFile), { force: true })
}

/** Our server on `dbFile`, whoever started it, if it is running. */
export function temporalServerOf(dbFile: string): ProcessIdentity | undefined {
  const record = readRecord(dbFile)
  return record !== undefined && isStillRunning(record.identity) ? record.identity : undefined
}

async function prepareNamespaces(address: string, plan: ServerPlan): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: CONNECT_TIMEOUT_MS })
  try {
    for (const namespace of plan.namespaces) {
      await keepClosedWorkflows(connection, namespace)
      await registerSearchAttributes(connection, namespace)
    }
  } finally {
    await connection.close()
  }
}

/** Somebody else's server keeps its retention; ours need no more than the search attributes there. */
async function useExisting(
  address: string,
  namespaces: string[],
  { log, connection: how }: TemporalOptions,
): Promise<Temporal> {
  let connection: Connection
  try {
    connection = await Connection.connect({ ...how, address, connectTimeout: CONNECT_TIMEOUT_MS })
  } catch (error) {
    const detail =
      `The Temporal server at ${address} does not answer: ${messageOf(error)}. ` +
      'Start it, or unset TEMPORAL_ADDRESS to have one started here.'
    throw new CodedError('UNAVAILABLE', detail, { cause: error })
  }
  try {
    for (const namespace of namespaces) {
      await registerSearchAttributes(connection, namespace).catch((error: unknown) => {
        log(
          `cannot register the search attributes in namespace ${namespace} at ${address}: ${messageOf(error)}`,
        )
      })
    }
  } finally {
    await connection.close()
  }
  log(`using the Temporal server at ${address}`)
  return { address, uiUrl: undefined, pid: undefined, adopted: false, stop: () => Promise.resolve() }
}

async function answers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: CONNECT_TIMEOUT_MS })
    await connection.close()
    return true
  } catch {
    return false
  }
}
