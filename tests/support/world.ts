/**
 * A whole deployment for one test file: its own database, keys, task queue, a listening API and a worker in this
 * process, on the PostgreSQL and the Temporal server of the test run. Nothing in it is a stand-in.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import { pino } from 'pino'
import { inject } from 'vitest'
import { buildApp } from '../../api/app.ts'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { createInspectTools } from '../../api/inspect-tools.ts'
import { createTemporalAccess } from '../../api/temporal.ts'
import { createSecretResolver } from '../../activities/secrets.ts'
import { createDataConverter, encryptedFailuresPath } from '../../codec/data-converter.ts'
import type { EncryptionKeys } from '../../codec/encryption.ts'
import { createPayloads } from '../../codec/payloads.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { ensureKeys, loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { createClient, type Client as ApiClient } from '../../sdk/client/index.ts'
import { addressFor, prepareDatabase } from './logins.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { bundleOfSources } from '../../workers/kept-bundle.ts'
import { trustIn } from '../../workers/deps.ts'
import { countersign } from '../../workers/plugin.ts'

export interface WorldOptions {
  identity?: 'verified' | 'asserted'
  secrets?: Record<string, string>
  commands?: Record<string, { command: string; args: string[] }>
  /** The operator's word, as in COUNTERSIGN_ALLOWED_HOSTS; 127.0.0.1 unless given. */
  allowedHosts?: string
  /** Without one, tests start worker processes of their own. */
  worker?: boolean
  /** Of values in Temporal. */
  encryption?: EncryptionKeys
  /** Instead of those of the test run: `own-servers.ts` has some that may be restored. */
  servers?: { databaseUrl?: string; temporalAddress?: string }
}

export interface World {
  organization: string
  /** As the owner of the tables: for what a test does beside API and workers. */
  databaseUrl: string
  database: Database
  folder: string
  keysFolder: string
  taskQueue: string
  temporalAddress: string
  apiUrl: string
  temporal: Client
  /** With all scopes; has no roles. */
  admin: ApiClient
  adminKey: string
  /** A client for somebody with these roles, and the key. */
  as(
    id: string,
    roles: string[],
    kind?: 'person' | 'service' | 'agent',
  ): Promise<ApiClient & { apiKey: string }>
  /** Everything that the API has logged so far, down to its finest level. */
  apiLog(): string
  /** Everything in the environment of a worker of this world, or of an API. */
  environment(process?: 'api' | 'worker'): Record<string, string>
  close(): Promise<void>
}

/** Where the servers of tests are. */
export const LOOPBACK = '127.0.0.1'

let count = 0

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const name = `w${process.pid}_${Date.now().toString(36)}_${count++}`
  const folder = mkdtempSync(join(tmpdir(), 'countersign-world-'))
  const { servers = {}, encryption } = options
  const temporalAddress = servers.temporalAddress ?? inject('temporalAddress')
  const databaseUrl = await ensureDatabase(servers.databaseUrl ?? inject('databaseUrl'), name)
  await prepareDatabase(databaseUrl)
  const database = createDatabase(databaseUrl)
  const apiDatabase = createDatabase(addressFor('api', databaseUrl))
  const workerDatabase = createDatabase(addressFor('worker', databaseUrl))
  const keysFolder = join(folder, 'keys')
  ensureKeys(keysFolder)
  const commandsFile = join(folder, 'commands.json')
  writeFileSync(commandsFile, JSON.stringify({ commands: options.commands ?? {} }))
  const taskQueue = `countersign-${name}`
  const connection = await Connection.connect({ address: temporalAddress })
  const allowedHosts = parseAllowedHosts(options.allowedHosts ?? LOOPBACK)
  const dataConverter = createDataConverter({ database: apiDatabase, encryption })
  const temporal = new Client({ connection, dataConverter })
  const trustedKeys = loadTrustedKeys(publicKeysFile(keysFolder))
  const closers: (() => Promise<void>)[] = []

  const apiLog: string[] = []
  const logger = pino({ level: 'trace' }, { write: (line) => void apiLog.push(line) })
  const access = createTemporalAccess({
    client: temporal,
    connection,
    namespace: 'default',
    taskQueue,
    uiUrl: inject('temporalUiUrl'),
    logger,
  })
  const app = await buildApp({
    database: apiDatabase,
    temporal: access,
    signingKey: loadSigningKey(keysFolder, 'decision'),
    trustedKeys,
    inspectTools: createInspectTools(access),
    payloads: createPayloads({ database: apiDatabase, encryption }),
    logger,
  })
  const apiUrl = await app.listen({ host: '127.0.0.1', port: 0 })
  closers.push(() => app.close())

  if (options.worker !== false) {
    closers.push(
      await startWorker({
        temporalAddress,
        taskQueue,
        plugin: countersign({
          database: workerDatabase,
          signingKey: loadSigningKey(keysFolder, 'receipt'),
          trust: trustIn(keysFolder, options.identity ?? 'verified'),
          resolveSecret: createSecretResolver({ environment: options.secrets ?? {}, allowedHosts }),
          allowedHosts,
          commandsFile,
          encryption,
        }),
        ...(encryption ? { failureConverterPath: encryptedFailuresPath } : {}),
      }),
    )
  }

  const organization = 'acme'
  const { key: adminKey } = await bootstrapOrganization(database, { organization, admin: 'ops@acme.example' })
  const clientFor = (apiKey: string): ApiClient & { apiKey: string } =>
    Object.assign(createClient({ baseUrl: apiUrl, apiKey }), { apiKey })
  const admin = clientFor(adminKey)

  return {
    organization,
    databaseUrl,
    database,
    folder,
    keysFolder,
    taskQueue,
    temporalAddress,
    apiUrl,
    temporal,
    admin,
    adminKey,
    apiLog: () => apiLog.join(''),
    async as(id, roles, kind = 'person') {
      const { key } = await admin.createKey({
        principal: { id, kind, roles },
        scopes: ['read', 'start', 'approve'],
      })
      return clientFor(key)
    },
    environment: (of = 'worker') => ({
      ...(process.env as Record<string, string>),
      DATABASE_URL: addressFor(of, databaseUrl),
      TEMPORAL_ADDRESS: temporalAddress,
      COUNTERSIGN_TASK_QUEUE: taskQueue,
      COUNTERSIGN_KEYS_DIR: keysFolder,
      COUNTERSIGN_COMMANDS_FILE: commandsFile,
      COUNTERSIGN_ALLOWED_HOSTS: options.allowedHosts ?? LOOPBACK,
      COUNTERSIGN_IDENTITY: options.identity ?? 'verified',
      LOG_LEVEL: 'warn',
      TZ: 'UTC',
      ...Object.fromEntries(
        Object.entries(options.secrets ?? {}).map(([secret, value]) => [
          `COUNTERSIGN_SECRET_${secret}`,
          value,
        ]),
      ),
    }),
    async close() {
      for (const close of closers.reverse()) await close()
      const databases = [database, apiDatabase, workerDatabase]
      await Promise.all([...databases.map((each) => each.end()), connection.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function startWorker({
  temporalAddress,
  taskQueue,
  plugin,
  failureConverterPath,
}: {
  temporalAddress: string
  taskQueue: string
  plugin: ReturnType<typeof countersign>
  failureConverterPath?: string
}): Promise<() => Promise<void>> {
  const connection = await NativeConnection.connect({ address: temporalAddress })
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: await bundleOfSources(failureConverterPath),
    shutdownGraceTime: '2s',
    plugins: [plugin],
  })
  const running = worker.run()
  return async () => {
    worker.shutdown()
    await running
    await connection.close()
  }
}

/** Thrown by a look to say that what is waited for cannot come any more: whoever should bring it has ended. */
export class NeverComes extends Error {}

/**
 * Waits until `look` gives something, at most 40 s: a machine may be busy. The last error is thrown on, and `NeverComes`
 * at once.
 */
export async function eventually<T>(
  look: () => Promise<T | undefined | null | false>,
  timeoutMs = 40_000,
): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < deadlineMs) {
    try {
      const found = await look()
      if (found) return found
    } catch (error) {
      if (error instanceof NeverComes) throw error
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw last ?? new Error(`it did not happen within ${timeoutMs} ms`)
}
