/** The processes of the dev stack that are ours: the API and the worker, with the environment each of them gets. */
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Config } from '../../config.ts'
import { codeRoot, isSource, moduleFile } from '../../lib/modules.ts'
import { LOOPBACK } from '../../scripts/stack/ports.ts'
import type { ProcessOptions } from '../../scripts/stack/processes.ts'
import { isOwnTemporal } from './services.ts'

const READY_TIMEOUT_MS = 90_000

export interface ChildPlan {
  dataDir: string
  config: Config
  /** What the host's environment says. */
  environment: Record<string, string>
  databaseUrl: string
  apiDatabaseUrl: string
  workerDatabaseUrl: string
  temporalAddress: string
  temporalUiUrl: string
  codecToken: string
  /** A file with commands of an example, beside people's own. */
  moreCommands: string | undefined
}

export function apiProcess(plan: ChildPlan, port: number): ProcessOptions {
  const url = `http://${LOOPBACK}:${port}`
  return {
    ...program(plan, 'api'),
    env: {
      ...foreignEnvironment(plan),
      ...commonSettings(plan),
      DATABASE_URL: plan.apiDatabaseUrl,
      // Loopback only: here people are taken at their word.
      HOST: LOOPBACK,
      PORT: String(port),
      COUNTERSIGN_PUBLIC_URL: plan.config.publicUrl ?? url,
      // The Temporal UI of a development server can send no header.
      COUNTERSIGN_CODEC_TOKEN: plan.codecToken,
    },
    readyUrl: `${url}/readyz`,
  }
}

export function workerProcess(plan: ChildPlan): ProcessOptions {
  const secrets = Object.entries(plan.environment).filter(([name]) => name.startsWith('COUNTERSIGN_SECRET_'))
  return {
    ...program(plan, 'worker'),
    env: { ...foreignEnvironment(plan), ...Object.fromEntries(secrets), ...workerSettings(plan) },
    readyLine: /worker started/,
  }
}

/** What a worker of this stack has to be told, ours or one that somebody runs in its place. */
export function workerSettings(plan: ChildPlan): Record<string, string> {
  const commandFiles = [ownCommandsFileOf(plan), plan.moreCommands].filter((file) => file !== undefined)
  return {
    ...commonSettings(plan),
    DATABASE_URL: plan.workerDatabaseUrl,
    COUNTERSIGN_COMMANDS_FILE: commandFiles.join(','),
    COUNTERSIGN_SECRETS_FILE: secretsFileOf(plan),
    COUNTERSIGN_ALLOWED_HOSTS: allowedHostsOf(plan),
  }
}

/** Where people keep the programs of their own stdio servers: nothing of ours is ever written there. */
export function ownCommandsFileOf({ config }: Pick<ChildPlan, 'config'>): string {
  return config.commandsFile
    .split(',')
    .map((file) => resolve(file.trim()))
    .join(',')
}

/** What a developer's machine runs is what its connections are for; and the database server that the examples share. */
function allowedHostsOf({ config, databaseUrl }: ChildPlan): string {
  const { hostname } = new URL(databaseUrl)
  const own = ['127.0.0.0/8', '[::1]', 'localhost', hostname]
  return [...own, config.allowedHosts].filter((host) => host !== undefined && host !== '').join(',')
}

/** In the data folder unless the environment names another one. */
export function secretsFileOf({ config, dataDir }: Pick<ChildPlan, 'config' | 'dataDir'>): string {
  return resolve(config.secretsFile ?? join(dataDir, 'secrets.json'))
}

export function keysFolderOf(dataDir: string): string {
  return join(dataDir, 'keys')
}

function program(plan: ChildPlan, name: 'api' | 'worker'): Omit<ProcessOptions, 'env'> {
  const file = moduleFile(name === 'api' ? 'api/main' : 'workers/main')
  return {
    name,
    command: process.execPath,
    args: [...nodeArguments(), file],
    cwd: fileURLToPath(codeRoot),
    logFile: join(plan.dataDir, 'logs', `${name}.log`),
    timeoutMs: READY_TIMEOUT_MS,
  }
}

/** From source, programs are run through tsx; by its address, so that it is found from every folder. */
export function nodeArguments(): string[] {
  return isSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : []
}

/** The host's own, without what configures us: that is set here, and secrets are for the worker only. */
function foreignEnvironment({ config, environment }: ChildPlan): Record<string, string> {
  // Our own Temporal speaks no TLS and knows no keys.
  const unfit = isOwnTemporal(config)
    ? /^(COUNTERSIGN_|DATABASE_URL_FILE$|TEMPORAL_(TLS|API_KEY))/
    : /^(COUNTERSIGN_|DATABASE_URL_FILE$)/
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !unfit.test(name)))
}

function commonSettings(plan: ChildPlan): Record<string, string> {
  const { config } = plan
  const { encryptionKeysFile } = config
  return {
    TZ: 'UTC',
    TEMPORAL_ADDRESS: plan.temporalAddress,
    TEMPORAL_NAMESPACE: config.temporalNamespace,
    ...(isOwnTemporal(config) ? {} : certificateFiles(config)),
    TEMPORAL_UI_URL: plan.temporalUiUrl,
    COUNTERSIGN_TASK_QUEUE: config.taskQueue,
    COUNTERSIGN_KEYS_DIR: keysFolderOf(plan.dataDir),
    COUNTERSIGN_IDENTITY: 'asserted',
    ...(encryptionKeysFile === undefined
      ? {}
      : { COUNTERSIGN_ENCRYPTION_KEYS_FILE: resolve(encryptionKeysFile) }),
    // They go to files, and the line that tells of readiness is one of them.
    LOG_LEVEL: ['trace', 'debug'].includes(config.logLevel) ? config.logLevel : 'info',
  }
}

/** Whole paths, because the processes run in another folder. */
function certificateFiles(config: Config): Record<string, string> {
  return {
    TEMPORAL_TLS_CLIENT_CERT_PATH: config.temporalClientCertFile ?? '',
    TEMPORAL_TLS_CLIENT_KEY_PATH: config.temporalClientKeyFile ?? '',
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: config.temporalServerCaFile ?? '',
  }
}
