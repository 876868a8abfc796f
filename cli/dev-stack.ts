/**
 * Everything Countersign needs, on one machine: PostgreSQL, Temporal, the API, a worker, and what the caller adds. When
 * it has started, an admin key for each organization works and is noted; when it is stopped, nothing of it is left
 * running. A start after a `kill -9` finds the data again and ends or adopts what was left behind.
 */
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Config } from '../config.ts'
import { ensureKeys } from '../lib/keys.ts'
import { CodedError } from '../schemas/errors.ts'
import { hostEnvironment } from '../scripts/stack/host-environment.ts'
import { choosePort, LOOPBACK } from '../scripts/stack/ports.ts'
import {
  createSupervisor,
  type Exit,
  type ProcessOptions,
  type RunningProcess,
  type Supervisor,
} from '../scripts/stack/processes.ts'
import { messageOf, type Log } from '../scripts/stack/waiting.ts'
import { ensureAdminKeys } from './dev/admin-keys.ts'
import { codecTokenOf } from './dev/codec-token.ts'
import {
  apiProcess,
  keysFolderOf,
  ownCommandsFileOf,
  secretsFileOf,
  workerProcess,
  workerSettings,
  type ChildPlan,
} from './dev/children.ts'
import { keepRunning } from './dev/start-again.ts'
import { checkPorts, DEFAULT_PORTS, type PortWishes } from './dev/ports.ts'
import { devConfig, isOwnTemporal, startServices, temporalDbFileOf, type Services } from './dev/services.ts'
import { noteNewPid, readDevState, writeDevState } from './dev/state.ts'

export interface DevStackOptions {
  dataDir: string
  log: Log
  /** 0 takes any free one; then those of Temporal are free ones too, unless they are given. */
  port?: number | undefined
  temporalPort?: number | undefined
  uiPort?: number | undefined
  worker?: boolean | undefined
  /** The CLI uses the key of the first one. */
  organizations?: readonly [string, ...string[]] | undefined
  /** For the worker: a file with commands of an example, beside people's own. */
  moreCommands?: string | undefined
  /** More processes, such as MCP servers: started before the API and stopped after it. */
  children?:
    ((services: Services) => readonly ProcessOptions[] | Promise<readonly ProcessOptions[]>) | undefined
  /** On SIGINT, SIGTERM and SIGHUP everything is stopped, also while it starts, and then this is called. */
  onSignalExit?: ((code: number) => void) | undefined
  /** A process has ended that nobody asked to, and could not be started again. The others run on. */
  onUnexpectedExit?: ((name: string, exit: Exit) => void) | undefined
  /** Of this process, unless given. */
  environment?: Record<string, string> | undefined
}

export interface DevStack extends Services {
  apiUrl: string
  /** Of the admin of the first organization. */
  apiKey: string
  /** By organization. */
  apiKeys: Record<string, string>
  organization: string
  dataDir: string
  keysFolder: string
  secretsFile: string
  /** Of people's own, where programs for stdio connections are named. */
  commandsFile: string
  /** What a worker that somebody runs in place of ours has to be told, as `node --env-file` reads it. */
  workerEnvFile: string
  stop(): Promise<void>
}

const API_ATTEMPTS = 3

export async function startDevStack(options: DevStackOptions): Promise<DevStack> {
  const dataDir = resolve(options.dataDir)
  const environment = options.environment ?? hostEnvironment()
  const config = devConfig(environment)
  makePrivate(dataDir)
  const supervisor = createSupervisor({ stateFile: `${dataDir}/processes.json`, log: options.log })
  // Before anything that would stop it all: a refusal, because one runs already, must leave that one's notes alone.
  await supervisor.endLeftovers()
  const interruption = watchForSignals(supervisor, options.onSignalExit)
  const start: Start = { options, dataDir, supervisor, environment, config, goOn: interruption.goOn }
  try {
    const stack = await startAll(start)
    const stop = async () => {
      interruption.forget()
      await supervisor.stopAll()
    }
    return { ...stack, stop }
  } catch (error) {
    await supervisor.stopAll()
    // What was being started has failed because it was stopped: that is not the reason.
    interruption.goOn()
    interruption.forget()
    throw error
  }
}

interface Start {
  options: DevStackOptions
  dataDir: string
  supervisor: Supervisor
  environment: Record<string, string>
  config: Config
  goOn: () => void
}

async function startAll(start: Start): Promise<Omit<DevStack, 'stop'>> {
  const { options, dataDir, config } = start
  const ports = wishedPorts(options)
  const temporalDbFile = temporalDbFileOf(dataDir)
  await checkPorts({ wishes: ports, temporalDbFile, ownTemporal: isOwnTemporal(config) })
  prepareFolder(start)
  const codecToken = codecTokenOf(dataDir)
  // Before Temporal starts, whose UI has to know it.
  const apiPort = ports.port === 0 ? await choosePort() : ports.port
  const codecEndpoint = `http://${LOOPBACK}:${apiPort}/codec/open/${codecToken}`
  const services = await startServices({ ...start, ports, codecEndpoint, log: options.log })
  await startChildren(start, services)
  const { moreCommands } = options
  const plan: ChildPlan = {
    ...services,
    dataDir,
    environment: start.environment,
    config,
    codecToken,
    moreCommands,
  }
  const workerEnvFile = writeWorkerSettings(plan)
  const started = await startOwnProcesses(start, plan, { services, apiPort, mayMove: ports.port === 0 })
  const [organization] = options.organizations ?? ['default']
  return {
    ...services,
    ...started,
    organization,
    dataDir,
    keysFolder: keysFolderOf(dataDir),
    secretsFile: secretsFileOf(plan),
    commandsFile: ownCommandsFileOf(plan),
    workerEnvFile,
  }
}

/** It holds the password of the worker's login. */
function writeWorkerSettings(plan: ChildPlan): string {
  const file = `${plan.dataDir}/worker.env`
  const lines = Object.entries(workerSettings(plan)).map(
    ([name, value]) => `${name}=${JSON.stringify(value)}`,
  )
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
  return file
}

function wishedPorts({ port = DEFAULT_PORTS.port, temporalPort, uiPort }: DevStackOptions): PortWishes {
  const others = port === 0 ? { temporalPort: 0, uiPort: 0 } : DEFAULT_PORTS
  return { port, temporalPort: temporalPort ?? others.temporalPort, uiPort: uiPort ?? others.uiPort }
}

function prepareFolder({ dataDir, config }: Start): void {
  ensureKeys(keysFolderOf(dataDir))
  // Keys and data have no place in anybody's repository.
  writeFileSync(`${dataDir}/.gitignore`, '*\n')
  // The worker reads it at each use: a secret can be added while it runs.
  const secretsFile = secretsFileOf({ config, dataDir })
  if (config.secretsFile !== undefined || existsSync(secretsFile)) return
  writeFileSync(secretsFile, `${JSON.stringify({ shared: {}, organizations: {} }, null, 2)}\n`, {
    mode: 0o600,
  })
}

async function startChildren(start: Start, services: Services): Promise<void> {
  for (const child of (await start.options.children?.(services)) ?? []) await startProcess(start, child)
}

/** The worker gets ready while the API does; keys can be made only when the API has prepared the database. */
async function startOwnProcesses(
  start: Start,
  plan: ChildPlan,
  { services, apiPort, mayMove }: { services: Services; apiPort: number; mayMove: boolean },
): Promise<Pick<DevStack, 'apiUrl' | 'apiKey' | 'apiKeys' | 'pids'>> {
  const { options } = start
  const [api, worker] = await Promise.allSettled([
    startApi(start, plan, { apiPort, mayMove }),
    options.worker === false ? undefined : startProcess(start, workerProcess(plan)),
  ])
  if (api.status === 'rejected') throw api.reason
  if (worker.status === 'rejected') throw worker.reason
  const pids = {
    ...services.pids,
    dev: process.pid,
    api: api.value.running.pid,
    ...(worker.value === undefined ? {} : { worker: worker.value.pid }),
  }
  const apiUrl = `http://${LOOPBACK}:${api.value.port}`
  return { apiUrl, pids, ...(await noteState(start, { ...services, apiUrl, pids })) }
}

/** A free port is free only at the moment of asking: where any port is good, another one is tried. */
async function startApi(
  start: Start,
  plan: ChildPlan,
  { apiPort, mayMove }: { apiPort: number; mayMove: boolean },
): Promise<{ running: RunningProcess; port: number }> {
  let port = apiPort
  for (let attempt = 1; ; attempt++) {
    try {
      return { running: await startProcess(start, apiProcess(plan, port)), port }
    } catch (error) {
      const mayTryAgain = mayMove && attempt < API_ATTEMPTS && messageOf(error).includes('EADDRINUSE')
      if (!mayTryAgain) throw error
      port = await choosePort()
      start.options.log(
        'the API takes another port: the Temporal UI shows no large values until the next start',
      )
    }
  }
}

async function startProcess(
  { options, dataDir, supervisor, goOn }: Start,
  child: ProcessOptions,
): Promise<RunningProcess> {
  goOn()
  options.log(`starting ${child.name}`)
  const running = await supervisor.startProcess(child)
  void keepRunning(running, {
    log: options.log,
    start: () => supervisor.startProcess(child),
    onStarted: ({ pid }) => noteNewPid(dataDir, child.name, pid),
    onGivenUp: (exit) => options.onUnexpectedExit?.(child.name, exit),
  })
  return running
}

async function noteState(
  { options, dataDir, supervisor }: Start,
  running: Services & { apiUrl: string },
): Promise<{ apiKey: string; apiKeys: Record<string, string> }> {
  const { organizations = ['default'] } = options
  const { apiUrl, databaseUrl, temporalAddress, temporalUiUrl, pids } = running
  const known = readDevState(dataDir)?.keys ?? {}
  const keys = await ensureAdminKeys({ databaseUrl, apiUrl, organizations, known })
  const [organization] = organizations
  const apiKey = keys[organization]
  if (apiKey === undefined) throw new CodedError('INTERNAL', `There is no key for ${organization}.`)
  const state = { url: apiUrl, organization, keys, temporalAddress, temporalUiUrl, databaseUrl }
  writeDevState(dataDir, { ...state, pids })
  // Stopped first of all: from then on nothing runs that one could talk to.
  supervisor.add({ name: 'dev.json', stop: async () => writeDevState(dataDir, { ...state, pids: {} }) })
  return { apiKey, apiKeys: keys }
}

/** Nobody else on this machine reads what is in it. As root, PostgreSQL's account has to get through to its own folder. */
function makePrivate(dataDir: string): void {
  const isRoot = process.getuid?.() === 0
  const modes = { '': isRoot ? 0o711 : 0o700, keys: 0o700, logs: 0o700, temporal: 0o700 }
  for (const [name, mode] of Object.entries(modes)) {
    const folder = `${dataDir}/${name}`
    mkdirSync(folder, { recursive: true })
    // The mode of `mkdir` is for a new folder only.
    chmodSync(folder, mode)
  }
}

/** `goOn` throws once a signal has come. */
function watchForSignals(
  supervisor: Supervisor,
  onSignalExit: DevStackOptions['onSignalExit'],
): { goOn: () => void; forget: () => void } {
  if (onSignalExit === undefined) return { goOn: () => undefined, forget: () => undefined }
  let received = false
  const onSignal = () => {
    received = true
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, onSignal)
  const undo = supervisor.stopOnSignals(onSignalExit)
  return {
    goOn() {
      if (received) throw new CodedError('CANCELLED', 'It was stopped by a signal.')
    },
    forget() {
      undo()
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}
