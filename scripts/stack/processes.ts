/**
 * Supervises the processes of `countersign dev`: starts them, waits until they are ready, tells of an early end, and
 * ends all of them in reverse order and bounded time, on Ctrl-C as well as at the next start after a `kill -9`.
 *
 * Each child leads its own process group and writes straight to its log file: Ctrl-C reaches it only when its turn has
 * come, its own children end with it, and it is not blocked or broken when we die.
 */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { CodedError } from '../../schemas/errors.ts'
import type { ProcessIdentity } from './process-identity.ts'
import { endProcess, identify, signalProcess } from './process-identity.ts'
import { createNotes, takeOverFrom } from './process-state.ts'
import type { Log } from './waiting.ts'
import { messageOf, until } from './waiting.ts'

const GRACE_MS = 10_000
const READY_POLL_MS = 100
const LAST_LINES = 15

export interface ProcessOptions {
  name: string
  command: string
  args: string[]
  /** All of the child's environment. */
  env: Record<string, string | undefined>
  cwd: string
  /** Appended to. */
  logFile: string
  /** Ready when this answers with a 2xx status; or when a line of output matches `readyLine`; else at once. */
  readyUrl?: string | undefined
  readyLine?: RegExp | undefined
  timeoutMs: number
}

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  /** False when `stop` or `stopAll` ended it. */
  unexpected: boolean
  lastLines: string
}

export interface RunningProcess extends Service {
  pid: number
  /** Fulfilled when the process has ended, never rejected. */
  exited: Promise<Exit>
}

export interface Service {
  name: string
  stop(): Promise<void>
}

export interface Supervisor {
  /** To be called first. Ends what a dead parent with the same state file left behind, and returns their names. */
  endLeftovers(): Promise<string[]>
  startProcess(options: ProcessOptions): Promise<RunningProcess>
  /** Something else that `stopAll` has to stop in its turn, such as PostgreSQL. */
  add(service: Service): void
  stopAll(): Promise<void>
  /** SIGINT, SIGTERM, SIGHUP: stops all and exits; a second signal kills what is left. Returns a function that undoes it. */
  stopOnSignals(exit: (code: number) => void): () => void
}

export function createSupervisor(options: { stateFile: string; log: Log }): Supervisor {
  const { stateFile, log } = options
  const notes = createNotes(stateFile)
  const services: Service[] = []
  let stopping: Promise<void> | undefined

  async function startProcess(processOptions: ProcessOptions): Promise<RunningProcess> {
    if (stopping !== undefined) {
      throw new CodedError('CANCELLED', `${processOptions.name} is not started: everything is being stopped.`)
    }
    const spawned = await spawnChild(processOptions)
    notes.add(processOptions.name, spawned.identity)
    const running = superviseChild({
      ...spawned,
      processOptions,
      onExit: () => notes.remove(spawned.identity),
    })
    services.push(running)
    try {
      await waitUntilReady(running, processOptions, spawned.logOffset)
    } catch (error) {
      await running.stop()
      throw error
    }
    return running
  }

  const stopAll = () => (stopping ??= stopInReverse(services, log).then(notes.clear))
  const killAll = () => notes.running().forEach((identity) => signalProcess(identity.pid, 'SIGKILL', true))
  return {
    endLeftovers: () => takeOverFrom({ stateFile, graceMs: GRACE_MS, log }),
    startProcess,
    add: (service) => void services.push(service),
    stopAll,
    stopOnSignals: (exit) => stopOnSignals({ stopAll, killAll, log, exit }),
  }
}

/** One that cannot be stopped does not keep the others running. */
async function stopInReverse(services: Service[], log: Log): Promise<void> {
  // Again from the end each time: a start that was under way may add one meanwhile.
  for (let service = services.pop(); service !== undefined; service = services.pop()) {
    const { name } = service
    await service.stop().catch((error: unknown) => log(`stopping ${name}: ${messageOf(error)}`))
  }
}

interface SpawnedChild {
  child: ChildProcess
  identity: ProcessIdentity
  /** The log file's length before the child: what comes after is the child's. */
  logOffset: number
}

async function spawnChild(options: ProcessOptions): Promise<SpawnedChild> {
  fs.mkdirSync(path.dirname(options.logFile), { recursive: true })
  const output = fs.openSync(options.logFile, 'a')
  const logOffset = fs.fstatSync(output).size
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', output, output],
  })
  fs.closeSync(output)
  const failed = new Promise<Error>((resolve) => child.once('error', resolve))
  if (child.pid === undefined) {
    throw new CodedError('UNAVAILABLE', `${options.name} cannot be started: ${(await failed).message}`)
  }
  // Gone already: an identity that never matches is right, since there is nothing to end.
  const identity = identify(child.pid) ?? {
    pid: child.pid,
    startedAt: 'ended at once',
    command: options.command,
  }
  return { child, identity, logOffset }
}

function superviseChild(
  params: SpawnedChild & { processOptions: ProcessOptions; onExit: () => void },
): RunningProcess {
  const { child, identity, processOptions } = params
  let wanted = false
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      // What it had started itself must not outlive it. The group's number is not reused while a member lives.
      signalProcess(identity.pid, 'SIGKILL', true)
      params.onExit()
      const lastLines = tailOf(processOptions.logFile, params.logOffset)
      resolve({ code, signal, unexpected: !wanted, lastLines })
    })
  })
  return {
    name: processOptions.name,
    pid: identity.pid,
    exited,
    async stop() {
      wanted = true
      const gone = await endProcess(identity, { group: true, graceMs: GRACE_MS })
      if (!gone) throw new Error(`pid ${identity.pid} does not end`)
      await exited
    },
  }
}

async function waitUntilReady(
  running: RunningProcess,
  options: ProcessOptions,
  logOffset: number,
): Promise<void> {
  if (options.readyUrl === undefined && options.readyLine === undefined) return
  let exit: Exit | undefined
  void running.exited.then((value) => (exit = value))
  const outcome = await until(async () => exit ?? (await isReady(options, logOffset)), {
    timeoutMs: options.timeoutMs,
    intervalMs: READY_POLL_MS,
  })
  if (outcome === true) return
  const { name, logFile, timeoutMs } = options
  if (outcome === undefined) {
    const lastLines = tailOf(logFile, logOffset)
    const detail = `${name} is not ready after ${timeoutMs / 1000} s. Its last lines (${logFile}):\n${lastLines}`
    throw new CodedError('UNAVAILABLE', detail)
  }
  const how = outcome.signal ?? `code ${outcome.code}`
  const detail = `${name} has ended (${how}) before it was ready. Its last lines (${logFile}):\n${outcome.lastLines}`
  throw new CodedError('UNAVAILABLE', detail)
}

async function isReady(options: ProcessOptions, logOffset: number): Promise<true | undefined> {
  if (options.readyLine !== undefined) {
    const output = fs.readFileSync(options.logFile).subarray(logOffset).toString()
    return output.split('\n').some((line) => options.readyLine?.test(line)) ? true : undefined
  }
  try {
    const response = await fetch(options.readyUrl ?? '', { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok ? true : undefined
  } catch {
    return undefined
  }
}

function stopOnSignals(params: {
  stopAll: () => Promise<void>
  killAll: () => void
  log: Log
  exit: (code: number) => void
}): () => void {
  const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
  let received = 0
  const onSignal = (signal: NodeJS.Signals) => {
    const code = signal === 'SIGINT' || signal === 'SIGHUP' ? codes[signal] : codes.SIGTERM
    received++
    if (received === 1) {
      params.log('stopping')
      void params.stopAll().finally(() => params.exit(code))
      return
    }
    params.killAll()
    params.exit(code)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, onSignal)
  return () => signals.forEach((signal) => process.off(signal, onSignal))
}

function tailOf(file: string, offset: number): string {
  const output = fs.readFileSync(file).subarray(offset).toString().trimEnd()
  return output.split('\n').slice(-LAST_LINES).join('\n')
}
