/** The real CLI as a child process: in a folder of its own, with nothing of this process's environment but PATH. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { automation, CHANGE, ONE_LEAD } from './automations.ts'
import { CLI } from './package.ts'
import { startScenario, type Scenario, type ScenarioOptions } from './scenario.ts'

const TIMEOUT_MS = 40_000

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  cwd: string
  environment?: Record<string, string>
  input?: string
}

export function spawnCli(args: readonly string[], { cwd, environment }: CliOptions): ChildProcess {
  const { PATH = '', HOME = '', XDG_CACHE_HOME = '' } = process.env
  return spawn(process.execPath, [CLI, ...args], {
    cwd,
    env: { PATH, HOME, XDG_CACHE_HOME, ...environment },
    stdio: 'pipe',
  })
}

export async function runCli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const child = spawnCli(args, options)
  const result: CliResult = { code: null, stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()))
  child.stdin?.end(options.input ?? '')
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  result.code = await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  return result
}

/** A scenario with a folder, from which the CLI is used. */
export interface Desk {
  scenario: Scenario
  folder: string
  /** As the admin, unless another key is given. */
  cli(args: readonly string[], options?: { key?: string; input?: string }): Promise<CliResult>
  /** What it prints with `--json`, after an end without complaints. */
  json(args: readonly string[]): Promise<JsonObject>
  /** Writes a file into the folder and returns its path. */
  file(name: string, content: unknown): string
  close(): Promise<void>
}

/** With the automations `change` (a write that a lead has to approve) and `echo` (its result is its input). */
export async function openDesk(options: ScenarioOptions = {}): Promise<Desk> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-cli-'))
  const scenario = await startScenario(options)
  await scenario.define('change', [CHANGE], ONE_LEAD)
  await scenario.apply(automation('echo', [{ name: 'answer', return: '${{ input }}' }]))
  const { apiUrl, adminKey } = scenario.world

  function cli(args: readonly string[], options: { key?: string; input?: string } = {}): Promise<CliResult> {
    const environment = { COUNTERSIGN_URL: apiUrl, COUNTERSIGN_API_KEY: options.key ?? adminKey }
    return runCli(args, { cwd: folder, environment, input: options.input ?? '' })
  }

  return {
    scenario,
    folder,
    cli,
    async json(args) {
      const { code, stdout, stderr } = await cli([...args, '--json'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return JSON.parse(stdout) as JsonObject
    },
    file(name, content) {
      const path = join(folder, name)
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
      return path
    },
    async close() {
      await scenario.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
