/**
 * The worker process: a Temporal worker, assembled from the plugin and nothing else. It waits for PostgreSQL and
 * Temporal. SIGTERM and SIGINT: no new tasks, calls under way may end, then connections are closed (Temporal's runtime
 * listens for both).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { makeTelemetryFilterString, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import { pino, type Logger } from 'pino'
import { encryptedFailuresPath } from '../codec/data-converter.ts'
import { configAtStart, type Config } from '../config.ts'
import { migrateWhenReady } from '../db/ready.ts'
import { isSource } from '../lib/modules.ts'
import { temporalConnection } from '../lib/temporal-connection.ts'
import { pluginDeps } from './deps.ts'
import { bundleOfSources } from './kept-bundle.ts'
import { countersign, type PluginDeps } from './plugin.ts'

const WAIT_MS = 2_000
const CORE_LOG_FILTER = makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' })
/** Of connections when the worker ends; what does not close by then is left to the end of the process. */
const CLOSE_PATIENCE_MS = 5_000

async function main(config: Config, logger: Logger): Promise<void> {
  assertUtc()
  const deps = pluginDeps(config)
  const stopped = stopOnSignal(logger)
  if (config.identity === 'asserted')
    logger.warn('people are taken at their word: for a developer’s machine only')
  let connection: NativeConnection | undefined
  try {
    if (await migrateWhenReady(deps.database, logger, stopped))
      connection = await connect(config, logger, stopped)
    if (connection === undefined) return
    const worker = await createWorker(config, { ...deps, connection })
    logger.info({ taskQueue: config.taskQueue }, 'worker started')
    await worker.run()
    logger.info('worker stopped')
  } finally {
    await Promise.race([
      Promise.allSettled([connection?.close(), deps.database.end()]),
      sleep(CLOSE_PATIENCE_MS, undefined, { ref: false }),
    ])
  }
}

async function createWorker(
  config: Config,
  { connection, ...deps }: PluginDeps & { connection: NativeConnection },
): Promise<Worker> {
  return Worker.create({
    connection,
    namespace: config.temporalNamespace,
    taskQueue: config.taskQueue,
    plugins: [countersign(deps)],
    // A build has its bundle, which the plugin knows.
    ...(isSource && {
      workflowBundle: await bundleOfSources(deps.encryption && encryptedFailuresPath),
    }),
  })
}

/** Replay compares what two machines computed: no code of ours depends on the time zone, and this keeps it so. */
function assertUtc(): void {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions()
  if (timeZone !== 'UTC') throw new Error(`the time zone is ${timeZone}: start the worker with TZ=UTC`)
}

/** Lines of Temporal's core go the same way as ours: what reads our log reads JSON. */
function installRuntime(logger: Logger): void {
  const logging = { filter: CORE_LOG_FILTER, forward: {} }
  Runtime.install({ logger: temporalLogger(logger), telemetryOptions: { logging } })
}

/** Undefined if it was stopped before. */
async function connect(
  config: Config,
  logger: Logger,
  stopped: AbortSignal,
): Promise<NativeConnection | undefined> {
  const options = temporalConnection(config)
  while (!stopped.aborted) {
    try {
      // A connection that fails shuts the runtime down, and what was set for it is gone.
      installRuntime(logger)
      return await NativeConnection.connect(options)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      logger.warn({ reason }, 'waiting for Temporal: correct TEMPORAL_ADDRESS and the like, or start it')
      await sleep(WAIT_MS, undefined, { signal: stopped }).catch(() => undefined)
    }
  }
  return undefined
}

/**
 * Temporal's runtime stops the worker by itself; this ends the waiting that comes before there is one. A second signal
 * ends the process at once.
 */
function stopOnSignal(logger: Logger): AbortSignal {
  const stopped = new AbortController()
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopped.signal.aborted) process.exit(1)
    logger.info({ signal }, 'stopping')
    stopped.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return stopped.signal
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

const config = configAtStart('worker')
const logger = pino({ level: config.logLevel, name: 'worker' })
try {
  await main(config, logger)
} catch (error) {
  logger.fatal(
    { err: error },
    `the worker cannot go on: ${error instanceof Error ? error.message : String(error)}`,
  )
  // Temporal's runtime holds the process when a worker could not be made. The line above is written by now.
  process.exit(1)
}
