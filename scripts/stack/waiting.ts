/**
 * Small parts the stack's files share: a log function, waiting with a bound, running a command with a bound.
 */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export type Log = (line: string) => void

/** Repeats `attempt` until it gives something other than undefined; undefined once the time is over. */
export async function until<Value>(
  attempt: () => Promise<Value | undefined> | Value | undefined,
  options: { timeoutMs: number; intervalMs?: number },
): Promise<Value | undefined> {
  const deadline = Date.now() + options.timeoutMs
  for (;;) {
    const value = await attempt()
    if (value !== undefined) return value
    if (Date.now() >= deadline) return undefined
    await sleep(options.intervalMs ?? 50)
  }
}

export interface RunOptions {
  env: Record<string, string | undefined>
  timeoutMs: number
  cwd?: string
  account?: { uid: number; gid: number } | undefined
  /** A command that leaves a daemon behind must not share our pipe with it: the pipe would never end. */
  discardOutput?: boolean
  onOutput?: (text: string) => void
}

export interface RunResult {
  succeeded: boolean
  /** Standard output and standard error as they came, cut to the last part. */
  output: string
}

const OUTPUT_MAX_LENGTH = 200_000

/** Never throws: a command that is missing, fails or takes too long is told apart by `output`. */
export function run(command: string, commandArguments: string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve) => {
    let output = ''
    const child = spawn(command, commandArguments, {
      cwd: options.cwd,
      env: options.env,
      ...options.account,
      stdio: options.discardOutput ? 'ignore' : ['ignore', 'pipe', 'pipe'],
    })
    const collect = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-OUTPUT_MAX_LENGTH)
      options.onOutput?.(chunk.toString())
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    const timer = setTimeout(() => {
      output += `\nstopped after ${options.timeoutMs / 1000} s`
      child.kill('SIGKILL')
    }, options.timeoutMs)
    const finish = (succeeded: boolean) => {
      clearTimeout(timer)
      resolve({ succeeded, output: output.trim() })
    }
    child.once('error', (error) => {
      output += error.message
      finish(false)
    })
    child.once(options.discardOutput ? 'exit' : 'close', (code) => finish(code === 0))
  })
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : error.message
}

export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
