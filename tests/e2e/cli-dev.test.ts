/** `countersign dev` as people live with it: started, stopped, killed, started again. */
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { discardPostgres } from '../../scripts/stack/postgres.ts'
import { endProcess, identify } from '../../scripts/stack/process-identity.ts'
import { runCli, spawnCli, type CliResult } from '../support/cli.ts'
import { eventually, NeverComes } from '../support/world.ts'

interface Noted {
  url: string
  keys: Record<string, string>
  pids: Record<string, number>
}

const START_TIMEOUT_MS = 90_000
const PARTS = ['api', 'dev', 'postgres', 'temporal', 'worker']

let folder: string
/** Every process that was noted at any time. */
let pids: number[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-dev-'))
  // PostgreSQL runs as another user when this is root, and has to pass through.
  chmodSync(folder, 0o755)
  pids = []
})

afterEach(async () => {
  const left = pids.flatMap((pid) => identify(pid) ?? [])
  for (const identity of left) await endProcess(identity, { firstSignal: 'SIGKILL' })
  await discardPostgres(join(folder, '.countersign', 'postgres'))
  rmSync(folder, { recursive: true, force: true })
})

function environment(): Record<string, string> {
  const temporalBinary = inject('temporalBinary')
  return temporalBinary === '' ? {} : { TEMPORAL_CLI_PATH: temporalBinary }
}

function cli(...args: string[]): Promise<CliResult> {
  return runCli(args, { cwd: folder, environment: environment() })
}

function noted(): Noted {
  return JSON.parse(readFileSync(join(folder, '.countersign', 'dev.json'), 'utf8')) as Noted
}

/** Resolves when it has said so. */
async function spawnDev(until: string): Promise<{ child: ChildProcess; output: () => string }> {
  const child = spawnCli(['dev', '--port', '0'], { cwd: folder, environment: environment() })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await eventually(async () => {
    if (child.exitCode !== null) throw new NeverComes(`dev has ended:\n${output}`)
    return output.includes(until)
  }, START_TIMEOUT_MS)
  return { child, output: () => output }
}

async function startDev(): Promise<{ child: ChildProcess; output: () => string; noted: Noted }> {
  const dev = await spawnDev('Ctrl-C stops everything')
  const state = noted()
  pids.push(...Object.values(state.pids))
  return { ...dev, noted: state }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve))
}

function running(some: readonly number[]): number[] {
  return some.filter((pid) => identify(pid) !== undefined)
}

/** Files that other accounts may read and get to. PostgreSQL keeps its own folder. */
function othersMayRead(of: string, at = ''): string[] {
  return readdirSync(join(of, at), { withFileTypes: true }).flatMap((entry) => {
    const path = join(at, entry.name)
    const { mode } = statSync(join(of, path))
    if (!entry.isDirectory()) return (mode & 0o077) === 0 ? [] : [path]
    return (mode & 0o077) === 0 ? [] : othersMayRead(of, path)
  })
}

describe('countersign dev', { timeout: 240_000 }, () => {
  it('tells its addresses, and leaves no process behind after Ctrl-C', async () => {
    const { child, output, noted: state } = await startDev()
    expect(output()).toMatch(/API +http:\/\/127\.0\.0\.1:\d+\n/)
    expect(output()).toMatch(/Temporal UI +http:\/\/127\.0\.0\.1:\d+\n/)
    expect(Object.keys(state.pids).sort()).toEqual(PARTS)
    expect(running(pids)).toHaveLength(PARTS.length)
    expect(statSync(join(folder, '.countersign', 'dev.json')).mode & 0o777).toBe(0o600)
    expect(await cli('keys', 'list')).toMatchObject({ code: 0 })
    expect(othersMayRead(join(folder, '.countersign'))).toEqual(['.gitignore'])
    const code = ended(child)
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(running(pids)).toEqual([])
    expect(noted().pids).toEqual({})
    expect(await cli('keys', 'list')).toMatchObject({ code: 3 })
  })

  it('finds key and data again after a kill -9, and ends what was left behind', async () => {
    const first = await startDev()
    const key = await cli('keys', 'create', '--principal', 'bea', '--scope', 'read')
    // It is refused while the first one runs, and must not make that one's processes forgotten.
    const refused = await cli('dev', '--port', '0')
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stderr).toContain('This is running already')

    const gone = ended(first.child)
    first.child.kill('SIGKILL')
    await gone
    const { api = 0, worker = 0 } = first.noted.pids
    expect(running([api, worker])).toEqual([api, worker])

    const second = await startDev()
    expect(running([api, worker])).toEqual([])
    expect(second.noted.keys).toEqual(first.noted.keys)
    expect(await cli('keys', 'list', '--key', key.stdout.trim())).toMatchObject({ code: 1 })
    expect((await cli('keys', 'list')).stdout).toContain('bea')
    const code = ended(second.child)
    second.child.kill('SIGTERM')
    expect(await code).toBe(143)
    expect(running(pids)).toEqual([])
  })

  it('ends everything, and says why, when a part of it dies', async () => {
    const { child, output, noted: state } = await startDev()
    const code = ended(child)
    process.kill(state.pids['worker'] ?? 0, 'SIGKILL')
    expect(await code).toBe(1)
    expect(output()).toContain('worker has ended (SIGKILL)')
    expect(running(pids)).toEqual([])
  })

  it('leaves no process behind when it is stopped while it starts', async () => {
    const { child, output } = await spawnDev('starting api')
    const state = JSON.parse(readFileSync(join(folder, '.countersign', 'processes.json'), 'utf8')) as {
      processes: { identity: { pid: number } }[]
    }
    pids.push(...state.processes.map(({ identity }) => identity.pid))
    const code = ended(child)
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(running(pids)).toEqual([])
    expect(output()).toMatch(/stopping\n$/)
  })

  it('names the flag when a port is taken, and starts nothing', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { code, stderr } = await cli('dev', '--port', '0', '--ui-port', String(port))
    server.close()
    expect(code).toBe(1)
    expect(stderr).toContain(`Port ${port}, for the Temporal UI, is taken`)
    expect(stderr).toContain('--ui-port')
    expect(stderr).not.toContain('starting')
  })
})
