/**
 * The API process. It waits for PostgreSQL, without which nothing can be accepted; it does not wait for Temporal, without
 * which events are still accepted, and says when it comes and goes. SIGTERM and SIGINT: no new requests, those under
 * way are finished, then connections are closed.
 */
import { Client, Connection } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino, type Logger } from 'pino'
import { dataConverterOf } from '../codec/data-converter.ts'
import { loadEncryptionKeys } from '../codec/encryption.ts'
import { createPayloads, type Payloads } from '../codec/payloads.ts'
import { loadConfig, type Config } from '../config.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { ensureKeys, loadSigningKey, loadTrustedKeys, publicKeysFile } from '../lib/keys.ts'
import { buildApp } from './app.ts'
import { databaseError } from './database-errors.ts'
import { temporalAnswers } from './health.ts'
import { createInspectTools } from './inspect-tools.ts'
import { createTemporalAccess, type TemporalAccess } from './temporal.ts'

const WAIT_MS = 2_000
const STOP_PATIENCE_MS = 25_000

async function main(): Promise<void> {
  const config = loadConfig()
  const logger = pino({ level: config.logLevel })
  ensureKeys(config.keysFolder)
  const database = createDatabase(config.databaseUrl)
  const connection = Connection.lazy({ address: config.temporalAddress })
  const { payloads, dataConverter } = payloadsOf(config, database)
  const temporal = temporalAccess(config, { connection, dataConverter }, logger)
  const app = await buildApp({
    database,
    temporal,
    signingKey: loadSigningKey(config.keysFolder, 'decision'),
    trustedKeys: loadTrustedKeys(publicKeysFile(config.keysFolder)),
    inspectTools: createInspectTools(temporal),
    payloads,
    codecToken: config.codecToken,
    logger,
  })
  const stopped = new AbortController()
  stopOnSignal(logger, async () => {
    stopped.abort()
    await app.close()
    await Promise.allSettled([database.end(), connection.close()])
  })
  await migrateWhenReady(database, logger, stopped.signal)
  if (stopped.signal.aborted) return
  await app.listen({ host: config.host, port: config.port })
  void reportTemporal(temporal, logger, stopped.signal)
}

function payloadsOf(
  config: Config,
  database: Database,
): { payloads: Payloads; dataConverter: DataConverter } {
  const { encryptionKeysFile } = config
  const encryption = encryptionKeysFile === undefined ? undefined : loadEncryptionKeys(encryptionKeysFile)
  const payloads = createPayloads({ database, encryption })
  return { payloads, dataConverter: dataConverterOf(payloads, { encryption }) }
}

function temporalAccess(
  config: Config,
  { connection, dataConverter }: { connection: Connection; dataConverter: DataConverter },
  logger: Logger,
): TemporalAccess {
  const { temporalNamespace: namespace, taskQueue, temporalUiUrl: uiUrl } = config
  const client = new Client({ connection, namespace, dataConverter })
  return createTemporalAccess({ client, connection, namespace, taskQueue, uiUrl, logger })
}

async function migrateWhenReady(database: Database, logger: Logger, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    try {
      const applied = await migrate(database)
      if (applied.length > 0) logger.info({ applied }, 'the database is up to date')
      return
    } catch (error) {
      if (databaseError(error)?.code !== 'UNAVAILABLE') throw error
      logger.warn({ reason: String(error) }, 'waiting for PostgreSQL: set DATABASE_URL, or start it')
      await sleep(WAIT_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
}

/** Says it once when Temporal is away, and once when it is back. */
async function reportTemporal(temporal: TemporalAccess, logger: Logger, stopped: AbortSignal): Promise<void> {
  let wasThere = true
  while (!stopped.aborted) {
    const isThere = await temporalAnswers({ temporal })
    if (stopped.aborted) return
    if (isThere && !wasThere) logger.info({}, 'Temporal answers')
    if (!isThere && wasThere) {
      logger.warn(
        {},
        'Temporal does not answer: what arrives is kept as pending; set TEMPORAL_ADDRESS, or start it',
      )
    }
    wasThere = isThere
    await sleep(WAIT_MS, undefined, { signal: stopped }).catch(() => undefined)
  }
}

/** A second signal, or a request that does not end, ends the process at once. */
function stopOnSignal(logger: Logger, stop: () => Promise<void>): void {
  let isStopping = false
  const onSignal = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(1)
    isStopping = true
    logger.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), STOP_PATIENCE_MS).unref()
    stop().then(
      () => logger.info({}, 'stopped'),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping went wrong')
        process.exitCode = 1
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

await main()
