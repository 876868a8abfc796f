/** An empty folder into which the package is installed as anybody would: packed here, from the registry otherwise. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

export interface Shop {
  /** With a `node_modules` of its own. */
  folder: string
  tarball: string
  run(command: string, args: readonly string[], options?: RunOptions): Promise<Outcome>
  start(file: string, environment: Record<string, string>): Started
  close(): Promise<void>
}

export interface RunOptions {
  cwd?: string
  environment?: Record<string, string>
  timeoutMs?: number
}

export interface Started {
  output(): string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
}

const TIMEOUT_MS = 240_000

export async function openShop(): Promise<Shop> {
  const top = realpathSync(mkdtempSync(path.join(tmpdir(), 'countersign-pack-')))
  // PostgreSQL runs as another account when this is root, and has to get at its files.
  chmodSync(top, 0o755)
  const folder = path.join(top, 'somebody')
  mkdirSync(folder)
  const started: Started[] = []
  const packed = await run('npm', ['pack', '--pack-destination', top], { cwd: ROOT })
  const [file] = readdirSync(top).filter((name) => name.endsWith('.tgz'))
  if (packed.code !== 0 || file === undefined) throw new Error(`npm pack failed:\n${packed.stderr}`)
  return {
    folder,
    tarball: path.join(top, file),
    run: (command, args, options) => run(command, args, { cwd: folder, ...options }),
    start(program, environment) {
      const running = follow(launch(process.execPath, [program], { cwd: folder, environment }))
      started.push(running)
      return running
    },
    async close() {
      for (const each of started.reverse()) await each.stop()
      rmSync(top, { recursive: true, force: true })
    },
  }
}

/** To its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  return outcomeOf(launch(command, args, options), options.timeoutMs ?? TIMEOUT_MS)
}

/** With the ways to the registry of this machine, and nothing that this run of npm or these tests have set. */
function hostEnvironment(): Record<string, string> {
  const entries = Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || OURS.test(name) ? [] : [[name, value] as const],
  )
  return Object.fromEntries(entries)
}

const OURS =
  /^(npm_(package|lifecycle)_|npm_config_(local_)?prefix$|npm_(command|execpath|node_execpath)$|INIT_CWD$|NODE_(ENV|OPTIONS|PATH)$|VITEST|TEST$|DATABASE_URL$|TEMPORAL_|COUNTERSIGN_|TZ$)/

function launch(command: string, args: readonly string[], options: RunOptions): ChildProcess {
  return spawn(command, args, {
    cwd: options.cwd,
    env: { ...hostEnvironment(), ...options.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function outcomeOf(child: ChildProcess, timeoutMs: number): Promise<Outcome> {
  const outcome: Outcome = { code: null, stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (outcome.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (outcome.stderr += chunk.toString()))
  const timer = setTimeout(() => child.kill('SIGTERM'), timeoutMs)
  outcome.code = await new Promise((resolve, reject) => {
    child.once('close', resolve)
    child.once('error', reject)
  })
  clearTimeout(timer)
  return outcome
}

function follow(child: ChildProcess): Started {
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  }
  const exited = once(child, 'exit').then(([code]) => code as number | null)
  return {
    output: () => output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      return exited
    },
  }
}
