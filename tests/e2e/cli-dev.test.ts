/** `countersign dev` as people live with it: started, stopped, killed, started again. */
import { spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { discardPostgres } from '../../scripts/stack/postgres.ts'
import { endProcess, identify } from '../../scripts/stack/process-identity.ts'
import { runCli, spawnCli, type CliResult } from '../support/cli.ts'
import { eventually, NeverComes } from '../support/world.ts'
import { programFile } from '../support/package.ts'

interface Noted {
  url: string
  temporalAddress: string
  keys: Record<string, string>
  pids: Record<string, number>
}

/** Two of them start at once in one test, on whatever else the machine has to do. */
const START_TIMEOUT_MS = 150_000
const PARTS = ['api', 'dev', 'postgres', 'temporal', 'worker']

let folder: string
/** With that one, those of stacks beside it. */
let folders: string[]
/** Every process that was noted at any time. */
let pids: number[]

beforeEach(() => {
  folders = []
  folder = newFolder()
  pids = []
})

function newFolder(): string {
  const made = mkdtempSync(join(tmpdir(), 'countersign-dev-'))
  // PostgreSQL runs as another user when this is root, and has to pass through.
  chmodSync(made, 0o755)
  folders.push(made)
  return made
}

afterEach(async () => {
  const left = pids.flatMap((pid) => identify(pid) ?? [])
  for (const identity of left) await endProcess(identity, { firstSignal: 'SIGKILL' })
  for (const each of folders) {
    await discardPostgres(join(each, '.countersign', 'postgres'))
    rmSync(each, { recursive: true, force: true })
  }
})

/** An MCP server over stdio, with nothing of ours. */
const OWN_SERVER = `
import { createInterface } from 'node:readline'
const answers = {
  initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'own', version: '1' } }),
  'tools/list': () => ({ tools: [{ name: 'look', inputSchema: { type: 'object' } }] }),
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method]?.(params) ?? {} }))
})
`

function environment(): Record<string, string> {
  const temporalBinary = inject('temporalBinary')
  return temporalBinary === '' ? {} : { TEMPORAL_CLI_PATH: temporalBinary }
}

function cli(...args: string[]): Promise<CliResult> {
  return cliIn(folder, args)
}

function cliIn(at: string, args: readonly string[]): Promise<CliResult> {
  return runCli(args, { cwd: at, environment: environment() })
}

function noted(at = folder): Noted {
  return JSON.parse(readFileSync(join(at, '.countersign', 'dev.json'), 'utf8')) as Noted
}

/** Resolves when it has said so. */
async function spawnDev(
  until: string,
  more: readonly string[] = [],
  at = folder,
): Promise<{ child: ChildProcess; output: () => string }> {
  const child = spawnCli(['dev', '--port', '0', ...more], { cwd: at, environment: environment() })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await eventually(async () => {
    if (child.exitCode !== null) throw new NeverComes(`dev has ended:\n${output}`)
    return output.includes(until)
  }, START_TIMEOUT_MS)
  return { child, output: () => output }
}

async function startDev(
  more: readonly string[] = [],
  at = folder,
): Promise<{ child: ChildProcess; output: () => string; noted: Noted }> {
  const dev = await spawnDev('Ctrl-C stops everything', more, at)
  const state = noted(at)
  pids.push(...Object.values(state.pids))
  return { ...dev, noted: state }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('exit', resolve))
}

/** As the printed curl would send it. */
function eventIn(output: string): { url: string; token: string; body: string } {
  const [, url = ''] = /curl (\S+)\/api\/trigger-callback/.exec(output) ?? []
  const [, token = ''] = /Bearer (\S+)'/.exec(output) ?? []
  const [, body = ''] = /-d '(.*)'/.exec(output) ?? []
  return { url, token, body }
}

async function sendEvent(output: string): Promise<void> {
  const { url, token, body } = eventIn(output)
  const answer = await fetch(`${url}/api/trigger-callback`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body,
  })
  expect(answer.status).toBe(202)
}

/** Of the example's write, once it waits. */
function waitingApproval(at = folder): Promise<string> {
  return eventually(async () => {
    const { stdout } = await cliIn(at, ['approvals', 'list'])
    return /^(wb_\S+) .*billing-db\/invoices/m.exec(stdout)?.[1]
  }, 60_000)
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

describe('countersign dev', { timeout: 300_000 }, () => {
  it('tells its addresses, and leaves no process behind after Ctrl-C', async () => {
    const { child, output, noted: state } = await startDev()
    expect(output()).toMatch(/API +http:\/\/127\.0\.0\.1:\d+\n/)
    expect(output()).toMatch(/Temporal UI +http:\/\/127\.0\.0\.1:\d+\n/)
    expect(output()).toContain(`${state.url}/docs`)
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

  it('starts a worker that dies again, and goes on', async () => {
    const { child, output, noted: state } = await startDev()
    const { worker = 0 } = state.pids
    process.kill(worker, 'SIGKILL')
    await eventually(async () => output().includes('worker runs again'), START_TIMEOUT_MS)
    expect(output()).toContain('worker has ended (SIGKILL): starting it again')
    const now = noted().pids
    pids.push(now['worker'] ?? 0)
    expect(now['worker']).not.toBe(worker)
    expect(running([now['worker'] ?? 0, now['api'] ?? 0])).toHaveLength(2)
    const code = ended(child)
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(running(pids)).toEqual([])
  })

  it('plays its example again after a restart, in a folder that was moved, as somebody has edited it, with the same keys', async () => {
    const example = ['--example', 'late-fee']
    const first = await startDev(example)
    const event = eventIn(first.output())
    const file = join(folder, 'mine.yaml')
    const saved = await cli('manifests', 'show', 'Automation', 'late-fee')
    writeFileSync(file, saved.stdout.replace(/description: .*/, 'description: Edited by somebody.'))
    expect(await cli('apply', '-f', file)).toMatchObject({ code: 0 })
    const keys = (await cli('keys', 'list', '--json')).stdout
    const code = ended(first.child)
    first.child.kill('SIGINT')
    expect(await code).toBe(130)

    renameSync(folder, `${folder}-moved`)
    folder = `${folder}-moved`
    folders.push(folder)
    const second = await startDev(example)
    expect(second.output()).toContain('left as you have edited it: Automation late-fee')
    const kept = (await cli('manifests', 'show', 'Automation', 'late-fee')).stdout
    expect(kept).toContain('Edited by somebody.')
    // With the folder that it writes to, which has moved along.
    expect(kept).toContain(`${folder}/.countersign/late-fee/notes/`)
    expect((await cli('keys', 'list', '--json')).stdout).toBe(keys)
    expect(eventIn(second.output())).toEqual({ ...event, url: second.noted.url })
    await sendEvent(second.output())
    // It has read the database, whose port is another one now.
    const approval = await waitingApproval()
    const [, leadKey = ''] = /approve <approval> .*--key (\S+)/.exec(second.output()) ?? []
    const ticket = await cli('approve', approval, '--ticket', '--yes', '--key', leadKey)
    expect(ticket.stderr).toContain(`temporal workflow signal --address ${second.noted.temporalAddress} `)
    const gone = ended(second.child)
    second.child.kill('SIGINT')
    expect(await gone).toBe(130)
  })

  it('tells without a worker what one needs, and applies its example once somebody runs one', async () => {
    const more = ['--no-worker', '--example', 'late-fee']
    const { child, output } = await spawnDev('The example is applied when your worker runs', more)
    pids.push(...Object.values(noted().pids))
    expect(Object.keys(noted().pids)).not.toContain('worker')
    await eventually(async () => output().includes('Your worker'))
    for (const told of [/API +http/, /Temporal +127/, /Reference +http.*\/docs/, /Keys +\/.*keys\n/])
      expect(output()).toMatch(told)
    const [, file = ''] = /Your worker +node --env-file=(\S+)/.exec(output()) ?? []
    const { PATH = '' } = process.env
    const worker = spawn(process.execPath, [`--env-file=${file}`, programFile('workers/main')], {
      env: { PATH },
      stdio: 'ignore',
    })
    pids.push(worker.pid ?? 0)
    await eventually(async () => output().includes('Ctrl-C stops everything'), START_TIMEOUT_MS)
    await sendEvent(output())
    expect(await waitingApproval()).toContain('wb_')
    worker.kill('SIGKILL')
    const code = ended(child)
    child.kill('SIGINT')
    expect(await code).toBe(130)
    expect(running(pids)).toEqual([])
  })

  it('runs twice at the same moment, in two folders, with its example and a program that somebody has added', async () => {
    writeFileSync(join(folder, 'own-server.mjs'), OWN_SERVER)
    const own = { command: process.execPath, args: [join(folder, 'own-server.mjs')] }
    const commands = JSON.stringify({ commands: { own } })
    writeFileSync(join(folder, 'countersign.commands.json'), commands)
    const places = [folder, newFolder()]
    const stacks = await Promise.all(places.map((at) => startDev(['--example', 'late-fee'], at)))
    const addresses = await Promise.all(
      places.map(async (at) => {
        const { stdout } = await cliIn(at, ['connections', 'show', 'billing', '--json'])
        return (JSON.parse(stdout) as { address: string }).address
      }),
    )
    expect(new Set(addresses).size).toBe(2)
    for (const { output } of stacks) {
      expect(output()).not.toMatch(/EADDRINUSE|^ {4}at /m)
      await sendEvent(output())
    }
    for (const at of places) expect(await waitingApproval(at)).toContain('wb_')
    const spec = '{ type: mcp, transport: stdio, command: own }'
    writeFileSync(join(folder, 'own.yaml'), `kind: Connection\nname: own\nspec: ${spec}\n`)
    expect(await cli('apply', '-f', 'own.yaml')).toMatchObject({ code: 0, stderr: '' })
    expect((await cli('connections', 'check', 'own')).stdout).toContain('answers a worker, with 1 tool')
    expect(readFileSync(join(folder, 'countersign.commands.json'), 'utf8')).toBe(commands)
    const codes = Promise.all(stacks.map(({ child }) => ended(child)))
    for (const { child } of stacks) child.kill('SIGINT')
    expect(await codes).toEqual([130, 130])
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
