/**
 * The process of our Temporal server: started apart from us, so that Ctrl-C reaches it only when its turn has come,
 * and noted beside its database, so that the next start finds it again after we were killed.
 */
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { Connection } from '@temporalio/client'
import { z } from 'zod'
import { CodedError } from '../../schemas/errors.ts'
import { choosePort, LOOPBACK } from './ports.ts'
import { endProcess, identify, identitySchema, isStillRunning } from './process-identity.ts'
import type { Log } from './waiting.ts'
import { run, until } from './waiting.ts'

const READY_TIMEOUT_MS = 45_000
const ATTEMPTS = 3
const INSTEAD = 'Mend that, or set TEMPORAL_ADDRESS to a Temporal server of your own.'
const LOG_TAIL_LENGTH = 1_500
const SERVER_PATH = '/usr/bin:/bin'

const PRIVATE = 0o600

export interface ServerPlan {
  binary: string
  dbFile: string
  namespaces: string[]
  port: number | undefined
  uiPort: number | undefined
  /** Where its UI asks for the values that histories hold encoded. */
  codecEndpoint?: string | undefined
  log: Log
}

const recordSchema = z.object({
  identity: identitySchema,
  port: z.number(),
  uiPort: z.number(),
  binary: z.string(),
  namespaces: z.array(z.string()),
  codecEndpoint: z.string().optional(),
})

export type ServerRecord = z.infer<typeof recordSchema>

export function recordFile(dbFile: string): string {
  return `${dbFile}.server.json`
}

export function readRecord(dbFile: string): ServerRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(fs.readFileSync(recordFile(dbFile), 'utf8')))
  } catch {
    return undefined
  }
}

/** Returns once the server answers. A port that somebody else took first is given up for another one. */
export async function spawnServer(plan: ServerPlan): Promise<ServerRecord> {
  const logFile = `${plan.dbFile}.log`
  for (let attempt = 1; ; attempt++) {
    const logOffset = fs.statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
    const record = await spawnOnce(plan, logFile)
    if (await becomesReady(record)) {
      keepPrivate(plan.dbFile)
      return record
    }
    await endProcess(record.identity, { graceMs: 2_000 })
    fs.rmSync(recordFile(plan.dbFile), { force: true })
    const reason = fs.readFileSync(logFile).subarray(logOffset).toString()
    if (attempt < ATTEMPTS && /address already in use|can't bind|can't set frontend port/i.test(reason))
      continue
    const tail = reason.slice(-LOG_TAIL_LENGTH).trim()
    throw new CodedError(
      'UNAVAILABLE',
      `Temporal does not start. ${INSTEAD} Its log (${logFile}) says: ${tail}`,
    )
  }
}

async function spawnOnce(plan: ServerPlan, logFile: string): Promise<ServerRecord> {
  const port = await portFor('Temporal', plan.port, plan.log)
  const uiPort = await portFor("Temporal's Web UI", plan.uiPort, plan.log)
  const serverArguments = await argumentsFor(plan, { port, uiPort })
  const output = fs.openSync(logFile, 'a', PRIVATE)
  const child = spawn(plan.binary, serverArguments, {
    cwd: path.dirname(plan.dbFile),
    env: { PATH: SERVER_PATH, HOME: path.dirname(plan.dbFile) },
    detached: true,
    stdio: ['ignore', output, output],
  })
  fs.closeSync(output)
  const failed = new Promise<Error>((resolve) => child.once('error', resolve))
  child.unref()
  const identity = child.pid === undefined ? undefined : identify(child.pid)
  if (identity === undefined) {
    const reason = child.pid === undefined ? (await failed).message : `it ended at once, see ${logFile}`
    throw new CodedError('UNAVAILABLE', `Temporal does not start: ${reason}. ${INSTEAD}`)
  }
  const { binary, namespaces, codecEndpoint } = plan
  const record: ServerRecord = { identity, port, uiPort, binary, namespaces, codecEndpoint }
  const file = recordFile(plan.dbFile)
  fs.writeFileSync(`${file}.new`, JSON.stringify(record), { mode: PRIVATE })
  fs.renameSync(`${file}.new`, file)
  return record
}

/** Every value of every run is in them. The server makes them readable for everybody, and keeps the mode that it finds. */
function keepPrivate(dbFile: string): void {
  for (const file of [dbFile, `${dbFile}-wal`, `${dbFile}-shm`]) {
    if (fs.existsSync(file)) fs.chmodSync(file, PRIVATE)
  }
}

/** The address of the codec has a token in it, and other accounts see command lines: the CLI takes flags from a file, too. */
function writeUiSettings({ dbFile, codecEndpoint }: ServerPlan): string {
  const file = `${dbFile}.flags.yaml`
  fs.rmSync(file, { force: true })
  const content = { env: { default: { 'ui-codec-endpoint': codecEndpoint } } }
  fs.writeFileSync(file, JSON.stringify(content), { mode: PRIVATE })
  return file
}

async function argumentsFor(plan: ServerPlan, ports: { port: number; uiPort: number }): Promise<string[]> {
  const fixed = ['server', 'start-dev', '--ip', LOOPBACK, '--log-level', 'warn', '--db-filename', plan.dbFile]
  const storage = ['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL']
  const eager = ['--dynamic-config-value', 'system.enableActivityEagerExecution=true']
  const places = ['--port', String(ports.port), '--ui-port', String(ports.uiPort)]
  const namespaces = plan.namespaces.flatMap((namespace) => ['--namespace', namespace])
  const help = await run(plan.binary, ['server', 'start-dev', '--help'], {
    env: { PATH: SERVER_PATH },
    timeoutMs: 20_000,
  })
  const quiet = '--ui-disable-news-fetch'
  const codec = plan.codecEndpoint === undefined ? [] : ['--env-file', writeUiSettings(plan)]
  return [
    ...fixed,
    ...storage,
    ...eager,
    ...places,
    ...namespaces,
    ...codec,
    ...(help.output.includes(quiet) ? [quiet] : []),
  ]
}

async function portFor(what: string, wished: number | undefined, log: Log): Promise<number> {
  const port = await choosePort(wished)
  if (wished !== undefined && port !== wished) log(`port ${wished} is taken: ${what} uses ${port}`)
  return port
}

/** False as soon as the process is gone. */
async function becomesReady(record: ServerRecord): Promise<boolean> {
  const address = `${LOOPBACK}:${record.port}`
  const outcome = await until(
    async () => {
      if (!isStillRunning(record.identity)) return 'gone'
      try {
        const connection = await Connection.connect({ address, connectTimeout: 2_000 })
        // Connecting succeeds a moment before the service is there: it takes that for an old server.
        const isServing = await connection.workflowService.getSystemInfo({}).then(
          () => true,
          () => false,
        )
        await connection.close()
        return isServing ? 'ready' : undefined
      } catch {
        return undefined
      }
    },
    { timeoutMs: READY_TIMEOUT_MS },
  )
  return outcome === 'ready'
}
