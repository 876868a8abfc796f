/**
 * A deployment of its own for one lane of the matrix: two PostgreSQL servers (ours, and the target), Temporal, an API, a
 * worker and a tool server, each a process that can be killed, put to sleep, and started again on the same data. Proxies
 * stand where a write passes: they hold it at its positions, and hide that a server came back on another port.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { bootstrapOrganization } from '../../../api/bootstrap.ts'
import { createDatabase } from '../../../db/database.ts'
import { migrate } from '../../../db/migrate.ts'
import { ensureKeys } from '../../../lib/keys.ts'
import { hostEnvironment } from '../../../scripts/stack/host-environment.ts'
import { findTemporalBinary } from '../../../scripts/stack/temporal-binary.ts'
import { makeTestFolder, removeTestFolder } from '../../stack/test-folder.ts'
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts'
import { ROOT, startChild, type Child } from '../child.ts'
import type { Component } from './cells.ts'
import {
  startDatabaseServer,
  startTemporalServer,
  type DatabaseServer,
  type KeepingServer,
} from './servers.ts'
import { programFile } from '../../support/package.ts'

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
  /** Straight, for whoever only looks. */
  temporalAddress(): string
  ledgerUrl(): string
  withShop<T>(look: (client: pg.Client) => Promise<T>): Promise<T>
  kill(component: Component): Promise<void>
  restart(component: Component): Promise<void>
  freeze(component: Component): void
  thaw(component: Component): void
  /** Breaks every connection to Temporal once. */
  cutFromTemporal(): void
  /** From now on it is the worker. Gives the one before, which goes on, and is for the caller to end. */
  startSecondWorker(): Promise<Child>
  postgres: DatabaseServer
  temporal: KeepingServer
  /** To be told that ours listens elsewhere now. */
  follow(component: 'postgres' | 'temporal'): void
  /** Ours that were killed, and could not be started again. */
  missing(): Component[]
  /** Names of our processes that have ended although nobody killed them, with their last words. */
  deaths(): string[]
  close(): Promise<void>
}

const CHILDREN = ['api', 'worker', 'tools'] as const
type ChildName = (typeof CHILDREN)[number]

export async function startStack(): Promise<Stack> {
  const binary = (await findTemporalBinary({ env: process.env, log: () => undefined })).path
  const [postgres, target, temporal] = await Promise.all([
    startDatabaseServer(),
    startDatabaseServer(),
    startTemporalServer(binary),
  ])
  const servers = { postgres, target, temporal }
  const places = await preparePlaces(postgres.url())
  const children: Partial<Record<ChildName, Child>> = {}
  const childNamed = (name: ChildName): Child => {
    const child = children[name]
    if (!child) throw new Error(`${name} was not started`)
    return child
  }
  children.tools = await startToolServer(places.effectsFile)
  const proxies = {
    api: await startTcpProxy(postgres.url()),
    ledger: await startTcpProxy(postgres.url()),
    shop: await startTcpProxy(target.url()),
    temporal: await startTcpProxy(temporal.url()),
    tools: await startTcpProxy(children.tools.ready),
  }
  const toolsUrl = proxies.tools.urlThrough(children.tools.ready)
  const environment = environmentFor(places, proxies.temporal.port)
  let apiUrl = ''
  const proxiesOf = {
    postgres: [proxies.api, proxies.ledger],
    target: [proxies.shop],
    temporal: [proxies.temporal],
  }
  const follow = (name: keyof typeof servers): void =>
    proxiesOf[name].forEach((proxy) => proxy.retarget(servers[name].url()))
  const restartServer = (name: keyof typeof servers) => async (): Promise<void> => {
    await servers[name].start()
    follow(name)
  }

  const start: Record<Component, () => Promise<void>> = {
    api: async () => {
      children.api = await startApi(environment, proxies.api.urlThrough(postgres.url()))
      apiUrl = children.api.ready
    },
    worker: async () => {
      children.worker = await startWorker(environment, {
        DATABASE_URL: proxies.ledger.urlThrough(postgres.url()),
        COUNTERSIGN_SECRET_SHOP_DATABASE_URL: proxies.shop.urlThrough(target.url()),
      })
    },
    tools: async () => {
      children.tools = await startToolServer(places.effectsFile)
      proxies.tools.retarget(children.tools.ready)
    },
    postgres: restartServer('postgres'),
    target: restartServer('target'),
    temporal: restartServer('temporal'),
  }
  await Promise.all([start.api(), start.worker()])

  return {
    ...places,
    ledger: proxies.ledger,
    shop: proxies.shop,
    tools: proxies.tools,
    toolsUrl,
    postgres,
    temporal,
    follow,
    apiUrl: () => apiUrl,
    temporalAddress: () => new URL(temporal.url()).host,
    ledgerUrl: () => postgres.url(),
    withShop: (look) => withClient(target.url(), look),
    kill: async (name) => (isChild(name) ? childNamed(name).kill() : servers[name].kill()),
    restart: (component) => start[component](),
    freeze: (name) => (isChild(name) ? childNamed(name) : servers[name]).freeze(),
    thaw: (name) => (isChild(name) ? childNamed(name) : servers[name]).thaw(),
    cutFromTemporal: () => proxies.temporal.cut(),
    startSecondWorker: async () => {
      const first = childNamed('worker')
      await start.worker()
      return first
    },
    missing: () => CHILDREN.filter((name) => !children[name]?.isRunning()),
    deaths: () =>
      Object.entries(children).flatMap(([name, child]) =>
        child.hasEndedByItself() ? [`${name}: ${child.output().slice(-2_000)}`] : [],
      ),
    close: async () => {
      await Promise.all(Object.values(children).map((child) => child.kill()))
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()))
      await Promise.all(Object.values(servers).map((server) => server.close()))
      await removeTestFolder(places.folder)
    },
  }
}

function isChild(component: Component): component is ChildName {
  return (CHILDREN as readonly string[]).includes(component)
}

function startApi(environment: Record<string, string>, databaseUrl: string): Promise<Child> {
  return startChild({
    script: programFile('api/main'),
    // Port 0: a port chosen beforehand can be taken by one of the many connections here.
    environment: { ...environment, DATABASE_URL: databaseUrl, HOST: '127.0.0.1', PORT: '0' },
    ready: /(?<=Server listening at )http:[^"]+/,
  })
}

function startWorker(environment: Record<string, string>, urls: Record<string, string>): Promise<Child> {
  return startChild({
    script: programFile('workers/main'),
    environment: { ...environment, ...urls },
    ready: /worker started/,
  })
}

const TOOL_SERVER = 'tests/chaos/matrix/tool-server.ts'

function startToolServer(effectsFile: string): Promise<Child> {
  return startChild({
    script: TOOL_SERVER,
    arguments: [effectsFile],
    environment: hostEnvironment(),
    ready: /http:\/\/\S+/,
  })
}

interface Places {
  folder: string
  keysFolder: string
  effectsFile: string
  commandsFile: string
  adminKey: string
}

/** The same tools are there over HTTP, and over a pipe as a program of the worker's. */
async function preparePlaces(databaseUrl: string): Promise<Places> {
  const { folder } = makeTestFolder()
  const keysFolder = join(folder, 'keys')
  const effectsFile = join(folder, 'effects.jsonl')
  writeFileSync(effectsFile, '')
  const commandsFile = join(folder, 'commands.json')
  const pipe = {
    command: process.execPath,
    args: ['--import', 'tsx', TOOL_SERVER, effectsFile, '--stdio'],
    cwd: ROOT,
  }
  writeFileSync(commandsFile, JSON.stringify({ commands: { pipe } }))
  ensureKeys(keysFolder)
  const database = createDatabase(databaseUrl)
  try {
    await migrate(database)
    const { key: adminKey } = await bootstrapOrganization(database, {
      organization: 'acme',
      admin: 'ops@acme.example',
    })
    return { folder, keysFolder, effectsFile, commandsFile, adminKey }
  } finally {
    await database.end()
  }
}

function environmentFor(places: Places, temporalPort: number): Record<string, string> {
  return {
    ...hostEnvironment(),
    TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}`,
    COUNTERSIGN_KEYS_DIR: places.keysFolder,
    COUNTERSIGN_COMMANDS_FILE: places.commandsFile,
    // The servers and databases of the shop.
    COUNTERSIGN_ALLOWED_HOSTS: '127.0.0.1',
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
