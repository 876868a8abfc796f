/** Workers that a test starts and stops itself: in this process, or as a process of their own that can be killed. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { WorkflowClientInterceptor } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import type pg from 'pg'
import { createSecretResolver } from '../../activities/secrets.ts'
import type { Database } from '../../db/database.ts'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { bundleOfSources } from '../../workers/kept-bundle.ts'
import { countersign } from '../../workers/plugin.ts'
import { endWithUs } from './end-with-us.ts'
import { programFile } from './package.ts'
import { LOOPBACK, type World } from './world.ts'

/** In this process; gives the function that stops it. A call under way has half a second to end. */
export async function startWorkerHere(
  world: World,
  options: {
    database: Database
    secrets: Record<string, string>
    reconciler?: 'on' | 'off'
    /** Takes the ids of workflows that activities ask Temporal about, in their order. */
    described?: string[]
  },
): Promise<() => Promise<void>> {
  const connection = await NativeConnection.connect({ address: world.temporalAddress })
  const allowedHosts = parseAllowedHosts(LOOPBACK)
  const plugin = countersign({
    database: options.database,
    reconciler: options.reconciler,
    signingKey: loadSigningKey(world.keysFolder, 'receipt'),
    trust: { keys: loadTrustedKeys(publicKeysFile(world.keysFolder)), identity: 'verified' },
    resolveSecret: createSecretResolver({ environment: options.secrets, allowedHosts }),
    allowedHosts,
    commandsFile: `${world.folder}/commands.json`,
  })
  const worker = await Worker.create({
    connection,
    taskQueue: world.taskQueue,
    workflowBundle: await bundleOfSources(),
    shutdownGraceTime: '500ms',
    plugins: [plugin],
    interceptors: { client: { workflow: options.described ? [watchDescribes(options.described)] : [] } },
  })
  const running = worker.run()
  return async () => {
    worker.shutdown()
    await running
    await connection.close()
  }
}

/** Adds the id of each workflow that is asked about. */
function watchDescribes(seen: string[]): WorkflowClientInterceptor {
  return {
    describe: (input, next) => {
      seen.push(input.workflowExecution.workflowId ?? '')
      return next(input)
    },
  }
}

/** The first words of every statement that goes through this pool from now on, in their order. */
export function watchStatements(pool: pg.Pool): string[] {
  const seen: string[] = []
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown
    client.query = ((...args: unknown[]) => {
      if (typeof args[0] === 'string') seen.push(args[0].replace(/\s+/g, ' ').trim().slice(0, 60))
      return query(...args)
    }) as typeof client.query
  })
  return seen
}

export interface WorkerProcess {
  /** SIGKILL: nothing is tidied up. */
  kill(): Promise<void>
  /** SIGSTOP: the process stands still and notices nothing, as on a machine that is frozen. */
  pause(): void
  resume(): void
  /** It has not ended, by whatever. */
  isAlive(): boolean
}

/** As an operator starts it; resolves when it takes tasks. */
export async function startWorkerProcess(
  world: World,
  environment: Record<string, string> = {},
): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [programFile('workers/main')], {
    env: { ...world.environment(), LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  await untilStarted(child)
  return {
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    isAlive: () => child.exitCode === null && child.signalCode === null,
  }
}

async function untilStarted(child: ChildProcess): Promise<void> {
  let output = ''
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-20_000)
      if (output.includes('worker started')) resolve()
    }
    child.stdout?.on('data', take)
    child.stderr?.on('data', take)
    child.once('exit', () => reject(new Error(`the worker has ended before it started:\n${output}`)))
  })
}
