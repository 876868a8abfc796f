/**
 * A deployment of its own for one lane of the matrix: two PostgreSQL servers (ours, and the target), Temporal, an API, a
 * worker and a tool server, each a process that can be killed with SIGKILL and started again on the same data. Proxies
 * stand where a write passes: they hold it at its positions, and hide that a server came back on another port.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { bootstrapOrganization } from '../../../api/bootstrap.ts'
import { createDatabase } from '../../../db/database.ts'
import { migrate } from '../../../db/migrate.ts'
import { ensureKeys } from '../../../lib/keys.ts'
import { hostEnvironment } from '../../../scripts/stack/host-environment.ts'
import { ensureDatabase, startPostgres } from '../../../scripts/stack/postgres.ts'
import { startTemporal } from '../../../scripts/stack/temporal.ts'
import { findTemporalBinary } from '../../../scripts/stack/temporal-binary.ts'
import { endServersOf, makeTestFolder, removeTestFolder } from '../../stack/test-folder.ts'
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts'
import type { Component } from './cells.ts'
import { startChild, type Child } from '../child.ts'

const quiet = (): void => undefined

export interface Stack {
  /** Between the worker and our database. */
  ledger: TcpProxy
  /** Between the worker and the target database. */
  shop: TcpProxy
  /** Between the worker and the tool server. */
  tools: TcpProxy
  /** As the worker is to see it. */
  toolsUrl: string
  keysFolder: string
  effectsFile: string
  adminKey: string
  apiUrl(): string
  /** Straight at the target, for whoever only looks. */
  withShop<T>(look: (client: pg.Client) => Promise<T>): Promise<T>
  kill(component: Component): Promise<void>
  restart(component: Component): Promise<void>
  /** Ours that were killed, and could not be started again. */
  missing(): Component[]
  /** Names of our processes that have ended although nobody killed them, with their last words. */
  deaths(): string[]
  close(): Promise<void>
}

interface Server {
  url: string
  kill(): Promise<void>
}

const DATABASE = 'chaos'

export async function startStack(): Promise<Stack> {
  const folders = { ours: makeTestFolder(), target: makeTestFolder() }
  const onExit = (): void => Object.values(folders).forEach(({ folder }) => endServersOf(folder))
  process.once('exit', onExit)
  const binary = (await findTemporalBinary({ env: process.env, log: quiet })).path
  const [postgres, target, temporal] = await Promise.all([
    startDatabase(folders.ours.postgresDir),
    startDatabase(folders.target.postgresDir),
    startTemporalServer(binary, folders.ours.temporalDbFile),
  ])
  const servers: Record<'postgres' | 'target' | 'temporal', Server> = { postgres, target, temporal }
  const folder = join(folders.ours.folder, 'deployment')
  const keysFolder = join(folder, 'keys')
  mkdirSync(folder)
  const effectsFile = join(folder, 'effects.jsonl')
  writeFileSync(effectsFile, '')
  const adminKey = await prepareDatabase(postgres.url, keysFolder)
  const children: Partial<Record<'api' | 'worker' | 'tools', Child>> = {}
  const toolsChild = (children.tools = await startToolServer(effectsFile))
  const proxies = {
    api: await startTcpProxy(postgres.url),
    ledger: await startTcpProxy(postgres.url),
    shop: await startTcpProxy(target.url),
    temporal: await startTcpProxy(temporal.url),
    tools: await startTcpProxy(urlOf(toolsChild)),
  }
  const toolsUrl = proxies.tools.urlThrough(urlOf(toolsChild))
  const environment = environmentFor({ folder, keysFolder, temporalPort: proxies.temporal.port })
  let apiUrl = ''

  const start: Record<Component, () => Promise<void>> = {
    api: async () => {
      // Port 0: a port chosen beforehand can be taken by one of the many connections here.
      const api = await startChild({
        script: 'api/main.ts',
        environment: {
          ...environment,
          DATABASE_URL: proxies.api.urlThrough(servers.postgres.url),
          HOST: '127.0.0.1',
          PORT: '0',
        },
        ready: /(?<=Server listening at )http:[^"]+/,
      })
      children.api = api
      apiUrl = api.ready
    },
    worker: async () => {
      children.worker = await startChild({
        script: 'workers/main.ts',
        environment: {
          ...environment,
          DATABASE_URL: proxies.ledger.urlThrough(servers.postgres.url),
          COUNTERSIGN_SECRET_SHOP_DATABASE_URL: proxies.shop.urlThrough(servers.target.url),
        },
        ready: /worker started/,
      })
    },
    tools: async () => {
      children.tools = await startToolServer(effectsFile)
      proxies.tools.retarget(urlOf(children.tools))
    },
    postgres: async () => {
      servers.postgres = await startDatabase(folders.ours.postgresDir)
      for (const proxy of [proxies.api, proxies.ledger]) proxy.retarget(servers.postgres.url)
    },
    target: async () => {
      servers.target = await startDatabase(folders.target.postgresDir)
      proxies.shop.retarget(servers.target.url)
    },
    temporal: async () => {
      servers.temporal = await startTemporalServer(binary, folders.ours.temporalDbFile)
      proxies.temporal.retarget(servers.temporal.url)
    },
  }
  await Promise.all([start.api(), start.worker()])

  return {
    ledger: proxies.ledger,
    shop: proxies.shop,
    tools: proxies.tools,
    toolsUrl,
    keysFolder,
    effectsFile,
    adminKey,
    apiUrl: () => apiUrl,
    withShop: (look) => withClient(servers.target.url, look),
    kill: async (component) => {
      if (component === 'api' || component === 'worker' || component === 'tools')
        await children[component]?.kill()
      else await servers[component].kill()
    },
    restart: (component) => start[component](),
    missing: () =>
      (['api', 'worker', 'tools'] as const).filter((component) => !children[component]?.isRunning()),
    deaths: () =>
      Object.entries(children).flatMap(([name, child]) =>
        child.hasEndedByItself() ? [`${name}: ${child.output().slice(-2_000)}`] : [],
      ),
    close: async () => {
      await Promise.all(Object.values(children).map((child) => child.kill()))
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()))
      process.off('exit', onExit)
      await Promise.all(Object.values(folders).map((place) => removeTestFolder(place.folder)))
    },
  }
}

async function startDatabase(dataDir: string): Promise<Server> {
  const postgres = await startPostgres({ dataDir, throwaway: true, log: quiet })
  return { url: await ensureDatabase(postgres.url, DATABASE), kill: () => killServer(postgres.pid) }
}

async function startTemporalServer(binary: string, dbFile: string): Promise<Server> {
  const temporal = await startTemporal({ binary, dbFile, log: quiet })
  return { url: `tcp://${temporal.address}`, kill: () => killServer(temporal.pid) }
}

/** PostgreSQL's back-ends notice by themselves that their parent is gone. */
async function killServer(pid: number | undefined): Promise<void> {
  if (pid === undefined) throw new Error('a server that we did not start cannot be killed')
  process.kill(pid, 'SIGKILL')
}

async function startToolServer(effectsFile: string): Promise<Child> {
  return startChild({
    script: 'tests/chaos/matrix/tool-server.ts',
    arguments: [effectsFile],
    environment: hostEnvironment(),
    ready: /http:\/\/\S+/,
  })
}

function urlOf(child: Child): string {
  return child.ready
}

async function prepareDatabase(databaseUrl: string, keysFolder: string): Promise<string> {
  ensureKeys(keysFolder)
  const database = createDatabase(databaseUrl)
  try {
    await migrate(database)
    return (await bootstrapOrganization(database, { organization: 'acme', admin: 'ops@acme.example' })).key
  } finally {
    await database.end()
  }
}

function environmentFor(places: {
  folder: string
  keysFolder: string
  temporalPort: number
}): Record<string, string> {
  return {
    ...hostEnvironment(),
    TEMPORAL_ADDRESS: `127.0.0.1:${places.temporalPort}`,
    COUNTERSIGN_KEYS_DIR: places.keysFolder,
    COUNTERSIGN_COMMANDS_FILE: join(places.folder, 'commands.json'),
    LOG_LEVEL: 'info',
    TZ: 'UTC',
  }
}

async function withClient<T>(url: string, look: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await look(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}
