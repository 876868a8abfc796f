/** Processes of ours that are there to be killed. None outlives the one that started it, however that one ends. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { endWithUs } from '../support/end-with-us.ts'
import { freeze, thaw } from '../support/freeze.ts'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const READY_TIMEOUT_MS = 300_000
const KEPT_OUTPUT = 30_000
const END_GRACE_MS = 30_000

export interface Child {
  /** Everything it has said, or the last part of it. */
  output(): string
  /** What it printed when it was ready. */
  ready: string
  /** Whether it has ended without being killed by us. */
  hasEndedByItself(): boolean
  isRunning(): boolean
  /** Until `thaw`, it and all that it has started stand still. */
  freeze(): void
  thaw(): void
  /** SIGKILL: nothing is tidied up. */
  kill(): Promise<void>
  /** Asks it to end what it has begun and then itself; kills it if it does not. */
  end(): Promise<void>
}

export interface ChildOptions {
  /** A program of the package, or TypeScript of a test. */
  script: string
  arguments?: string[]
  environment: Record<string, string>
  /** Resolves with the first match of this in its output, or when this says so. */
  ready: RegExp
}

export async function startChild(options: ChildOptions): Promise<Child> {
  // `npx tsx` would put processes in front that survive the kill of what we know.
  const loader = options.script.endsWith('.ts') ? ['--import', 'tsx'] : []
  const child = spawn(process.execPath, [...loader, options.script, ...(options.arguments ?? [])], {
    cwd: ROOT,
    env: options.environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endWithUs(child)
  let output = ''
  let isWanted = true
  const ready = await new Promise<string>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${options.script} ${why}:\n${output}`))
    const timer = setTimeout(() => fail('is not ready in time'), READY_TIMEOUT_MS)
    const take = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-KEPT_OUTPUT)
      const [found] = options.ready.exec(output) ?? []
      if (found === undefined) return
      clearTimeout(timer)
      resolve(found)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('exit', (code) => fail(`has ended with code ${code} before it was ready`))
  })
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const { pid } = child
  if (pid === undefined) throw new Error(`${options.script} has no process`)
  const kill = async (): Promise<void> => {
    isWanted = false
    if (isRunning()) {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
    // What it has started may hold the other ends, and we would wait for that.
    child.stdout.destroy()
    child.stderr.destroy()
  }
  return {
    ready,
    output: () => output,
    hasEndedByItself: () => isWanted && !isRunning(),
    isRunning,
    freeze: () => freeze(pid),
    thaw: () => thaw(pid),
    kill,
    end: async () => {
      isWanted = false
      if (isRunning()) {
        const exited = once(child, 'exit')
        child.kill('SIGTERM')
        await Promise.race([exited, sleep(END_GRACE_MS, undefined, { ref: false })])
      }
      await kill()
    },
  }
}
