/**
 * The worker process: a Temporal worker, assembled from the plugin and nothing else. It waits for PostgreSQL and
 * Temporal. SIGTERM and SIGINT: no new tasks, calls under way may end, then connections are closed (Temporal's runtime
 * listens for both).
 */
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { pino, type Logger } from 'pino'
import { createSecretResolver } from '../activities/secrets.ts'
import { loadEncryptionKeys } from '../codec/encryption.ts'
import { environmentSecrets, loadConfig, type Config } from '../config.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../lib/keys.ts'
import { countersign } from './plugin.ts'

const WAIT_MS = 2_000

async function main(): Promise<void> {
  const config = loadConfig()
  const logger = pino({ level: config.logLevel, name: 'worker' })
  assertUtc()
  Runtime.install({ logger: temporalLogger(logger) })
  if (config.identity === 'asserted')
    logger.warn('people are taken at their word: for a developer’s machine only')
  const database = createDatabase(config.databaseUrl)
  await patiently(logger, 'PostgreSQL', () => migrate(database))
  const connection = await patiently(logger, 'Temporal', () =>
    NativeConnection.connect({ address: config.temporalAddress }),
  )
  try {
    const worker = await createWorker(config, database, connection)
    logger.info({ taskQueue: config.taskQueue }, 'worker started')
    await worker.run()
    logger.info('worker stopped')
  } finally {
    await Promise.allSettled([connection.close(), database.end()])
  }
}

async function createWorker(
  config: Config,
  database: Database,
  connection: NativeConnection,
): Promise<Worker> {
  return Worker.create({
    connection,
    namespace: config.temporalNamespace,
    taskQueue: config.taskQueue,
    plugins: [
      countersign({
        database,
        signingKey: loadSigningKey(config.keysFolder, 'receipt'),
        trust: { keys: loadTrustedKeys(publicKeysFile(config.keysFolder)), identity: config.identity },
        resolveSecret: createSecretResolver({
          environment: environmentSecrets(),
          file: secretsFileOf(config),
        }),
        commandsFile: config.commandsFile,
        encryption: config.encryptionKeysFile ? loadEncryptionKeys(config.encryptionKeysFile) : undefined,
      }),
    ],
  })
}

/** A file that is named must be there from the start: else every call would wait for secrets that nobody can add. */
function secretsFileOf(config: Config): string | undefined {
  if (config.secretsFile !== undefined && !existsSync(config.secretsFile)) {
    throw new Error(`COUNTERSIGN_SECRETS_FILE names ${config.secretsFile}, which does not exist`)
  }
  return config.secretsFile
}

/** Replay compares what two machines computed: no code of ours depends on the time zone, and this keeps it so. */
function assertUtc(): void {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  if (timeZone !== 'UTC') throw new Error(`the time zone is ${timeZone}: start the worker with TZ=UTC`)
}

async function patiently<T>(logger: Logger, what: string, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      logger.warn({ reason: error instanceof Error ? error.message : String(error) }, `waiting for ${what}`)
      await sleep(WAIT_MS)
    }
  }
}

type TemporalLogger = NonNullable<Parameters<typeof Runtime.install>[0]['logger']>

function temporalLogger(logger: Logger): TemporalLogger {
  return {
    log: (level, message, meta) => logger[level.toLowerCase() as 'info'](meta ?? {}, message),
    trace: (message, meta) => logger.trace(meta ?? {}, message),
    debug: (message, meta) => logger.debug(meta ?? {}, message),
    info: (message, meta) => logger.info(meta ?? {}, message),
    warn: (message, meta) => logger.warn(meta ?? {}, message),
    error: (message, meta) => logger.error(meta ?? {}, message),
  }
}

await main()
