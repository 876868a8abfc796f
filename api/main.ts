/**
 * The API process. It waits for PostgreSQL, without which nothing can be accepted; it does not wait for Temporal, without
 * which events are still accepted, and says when it comes and goes. SIGTERM and SIGINT: no new requests, those under
 * way are finished, deliveries that are being started are, then connections are closed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import type { DataConverter } from '@temporalio/common'
import { pino, type Logger } from 'pino'
import { dataConverterOf } from '../codec/data-converter.ts'
import { loadEncryptionKeys } from '../codec/encryption.ts'
import { createPayloads, type Payloads } from '../codec/payloads.ts'
import { configAtStart, type Config } from '../config.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { migrateWhenReady } from '../db/ready.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../lib/keys.ts'
import { temporalClientConnection } from '../lib/temporal-connection.ts'
import { buildApp } from './app.ts'
import { createInspectTools } from './inspect-tools.ts'
import { createRateLimits } from './plugins/rate-limit.ts'
import { startRelay } from './relay.ts'
import { createTemporalAccess, type TemporalAccess } from './temporal.ts'
import { watchTemporal } from './watch-temporal.ts'

/** Of what is open when the start went wrong; the rest is left to the end of the process. */
const CLOSE_PATIENCE_MS = 5_000
const STOP_PATIENCE_MS = 25_000
/** Whoever asked has gone by then, and the connection is one of few. */
const STATEMENT_TIMEOUT_MS = 15_000

async function main(config: Config, logger: Logger): Promise<void> {
  const signingKey = loadSigningKey(config.keysFolder, 'decision')
  const trustedKeys = loadTrustedKeys(publicKeysFile(config.keysFolder))
  const database = createDatabase(config.databaseUrl, {
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    usedBy: 'API',
  })
  const connection = Connection.lazy(temporalClientConnection(config))
  const { payloads, dataConverter } = payloadsOf(config, database)
  const temporal = temporalAccess(config, { connection, dataConverter }, logger)
  const inspectTools = createInspectTools(temporal)
  const { codecToken, rateLimit: perKey, unknownRateLimit: perUnknownAddress, trustedProxies } = config
  const limits = createRateLimits({ perKey, perUnknownAddress })
  const common = { database, temporal, signingKey, trustedKeys, logger }
  const app = await buildApp({
    ...common,
    inspectTools,
    payloads,
    codecToken,
    limits,
    trustedProxies: trustedProxies?.split(',').map((address) => address.trim()) ?? [],
  })
  const stopped = new AbortController()
  const background: { stop(): Promise<void> }[] = []
  const close = async () => {
    stopped.abort()
    await app.close()
    await Promise.all(background.map((task) => task.stop()))
    await Promise.allSettled([database.end(), connection.close()])
  }
  stopOnSignal(logger, close)
  if (!(await ready(database, logger, { stopped: stopped.signal, close }))) return
  await app.listen({ host: config.host, port: config.port })
  const watching = watchTemporal(temporal, logger, stopped.signal)
  background.push(startRelay({ database, temporal, logger }), { stop: () => watching })
}

/** A migration that fails ends the process: it must not hang on what is open, nor serve on what it does not know. */
async function ready(
  database: Database,
  logger: Logger,
  { stopped, close }: { stopped: AbortSignal; close: () => Promise<void> },
): Promise<boolean> {
  try {
    return await migrateWhenReady(database, logger, stopped)
  } catch (error) {
    await Promise.race([close(), sleep(CLOSE_PATIENCE_MS, undefined, { ref: false })])
    throw error
  }
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
  const { temporalNamespace: namespace, taskQueue, temporalAddress: address, temporalUiUrl: uiUrl } = config
  const client = new Client({ connection, namespace, dataConverter })
  return createTemporalAccess({ client, connection, namespace, taskQueue, address, uiUrl, logger })
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

const config = configAtStart('API')
const logger = pino({ level: config.logLevel })
try {
  await main(config, logger)
} catch (error) {
  logger.fatal(
    { err: error },
    `the API cannot start: ${error instanceof Error ? error.message : String(error)}`,
  )
  // Whatever is still open must not hold the process. The line above is written by now.
  process.exit(1)
}
