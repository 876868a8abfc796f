/** The supervisor ends what it started, all of it, and nothing else. Real processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { withLock } from '../../scripts/stack/lock.ts'
import { identify, identityFromPsLine, isStillRunning } from '../../scripts/stack/process-identity.ts'
import type { Supervisor } from '../../scripts/stack/processes.ts'
import { createSupervisor } from '../../scripts/stack/processes.ts'
import { until } from '../../scripts/stack/waiting.ts'

const SUPERVISOR_MODULE = fileURLToPath(new URL('../../scripts/stack/processes.ts', import.meta.url))
const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))
const PATH = '/usr/bin:/bin'

let folder: string
let stateFile: string
let supervisor: Supervisor
const lines: string[] = []
const log = (line: string) => void lines.push(line)

beforeEach(() => {
  lines.length = 0
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-processes-'))
  stateFile = path.join(folder, 'processes.json')
  supervisor = createSupervisor({ stateFile, log })
})

afterEach(async () => {
  await supervisor.stopAll()
  fs.rmSync(folder, { recursive: true, force: true })
})

describe('startProcess', () => {
  it('waits for the line that says it is ready, in this start’s output only', async () => {
    const logFile = path.join(folder, 'api.log')
    fs.writeFileSync(logFile, 'ready\n')
    const startedAt = Date.now()
    const running = await startShell('sleep 0.4; echo ready; exec sleep 60', {
      readyLine: /^ready$/,
      logFile,
    })
    expect(Date.now() - startedAt).toBeGreaterThan(300)
    await running.stop()
    expect(await running.exited).toMatchObject({ signal: 'SIGTERM', unexpected: false })
  })

  it('waits for the URL that says it is ready', async () => {
    const portFile = path.join(folder, 'port')
    const server = `require('http').createServer((q, r) => r.end()).listen(Number(process.argv[1]), '127.0.0.1')`
    const { choosePort } = await import('../../scripts/stack/ports.ts')
    const port = await choosePort()
    fs.writeFileSync(portFile, String(port))
    const running = await supervisor.startProcess({
      name: 'api',
      command: process.execPath,
      args: ['-e', server, String(port)],
      env: { PATH },
      cwd: folder,
      logFile: path.join(folder, 'api.log'),
      readyUrl: `http://127.0.0.1:${port}/`,
      timeoutMs: 10_000,
    })
    expect(identify(running.pid)?.command).toContain(String(port))
  })

  it('tells of an end before readiness with the last lines', async () => {
    const failure = startShell('echo cannot find the key; exit 3', { readyLine: /never/ })
    await expect(failure).rejects.toThrow(/api has ended \(code 3\)[^]*cannot find the key/)
  })

  it('ends what is not ready in time', async () => {
    const failure = startShell('echo $$; exec sleep 60', { readyLine: /never/, timeoutMs: 300 })
    await expect(failure).rejects.toThrow(/not ready after 0\.3 s/)
    const pid = Number(fs.readFileSync(path.join(folder, 'api.log'), 'utf8'))
    expect(identify(pid)).toBeUndefined()
  })

  it('tells of a later end that nobody asked for', async () => {
    const running = await startShell('echo ready; sleep 0.2; echo out of memory; exit 9', {
      readyLine: /ready/,
    })
    expect(await running.exited).toMatchObject({
      code: 9,
      unexpected: true,
      lastLines: 'ready\nout of memory',
    })
  })

  it('explains a command that does not exist', async () => {
    const options = {
      name: 'api',
      command: 'no-such-command',
      args: [],
      env: { PATH },
      cwd: folder,
      timeoutMs: 1,
    }
    const failure = supervisor.startProcess({ ...options, logFile: path.join(folder, 'api.log') })
    await expect(failure).rejects.toThrow(/api cannot be started: .*ENOENT/)
  })

  it('ends the children of a child as well', async () => {
    const running = await startShell('sleep 60 & echo $!; echo ready; wait', { readyLine: /ready/ })
    const grandchild = Number(fs.readFileSync(path.join(folder, 'api.log'), 'utf8').split('\n')[0])
    expect(identify(grandchild)).toBeDefined()
    await running.stop()
    const gone = await until(() => (identify(grandchild) ? undefined : true), { timeoutMs: 2_000 })
    expect(gone).toBe(true)
  })
})

describe('stopAll', () => {
  it('stops in reverse order, also past one that cannot be stopped', async () => {
    const order: string[] = []
    for (const name of ['postgres', 'temporal', 'api']) {
      supervisor.add({
        name,
        stop() {
          order.push(name)
          return name === 'temporal' ? Promise.reject(new Error('stuck')) : Promise.resolve()
        },
      })
    }
    await supervisor.stopAll()
    expect(order).toEqual(['api', 'temporal', 'postgres'])
    expect(lines).toEqual(['stopping temporal: stuck'])
    await expect(startShell('sleep 60', {})).rejects.toThrow(/everything is being stopped/)
  })
})

describe('leftovers', () => {
  it('of a killed parent are ended at the next start, and a foreign process is not', async () => {
    const parent = await spawnParent()
    const foreign = spawn('sleep', ['60'])
    parent.child.kill('SIGKILL')
    await once(parent.child, 'exit')
    expect(identify(parent.worker)).toBeDefined()
    addForeignEntry(foreign.pid ?? 0)

    expect(await supervisor.endLeftovers()).toEqual(['worker'])
    expect(identify(parent.worker)).toBeUndefined()
    expect(foreign.exitCode ?? foreign.signalCode).toBeNull()
    expect(lines.join()).toContain(`ending worker (pid ${parent.worker})`)
    foreign.kill()
  })

  it('are none while their parent runs: a second start refuses', async () => {
    const parent = await spawnParent()
    await expect(supervisor.endLeftovers()).rejects.toThrow(/running already/)
    expect(identify(parent.worker)).toBeDefined()
    parent.child.kill('SIGINT')
    await once(parent.child, 'exit')
  })

  it('do not come from Ctrl-C: the whole group gets SIGINT, every child ends, the state file goes', async () => {
    const parent = await spawnParent()
    process.kill(-(parent.child.pid ?? 0), 'SIGINT')
    const [code] = (await once(parent.child, 'exit')) as [number]
    expect(code).toBe(130)
    expect(identify(parent.worker)).toBeUndefined()
    expect(fs.existsSync(stateFile)).toBe(false)
  })
})

describe('process identity', () => {
  it('tells a process from another one with the same pid', () => {
    const own = identify(process.pid)
    if (own === undefined) throw new Error('no identity')
    expect(isStillRunning(own)).toBe(true)
    expect(isStillRunning({ ...own, startedAt: 'another time' })).toBe(false)
    expect(identify(0)).toBeUndefined()
  })

  it('reads what `ps` prints where there is no /proc, and takes a zombie for gone', () => {
    const line = 'Ss   Fri Nov 20 23:59:45 2026     /usr/bin/node worker.js --port 1\n'
    expect(identityFromPsLine(7, line)).toEqual({
      pid: 7,
      startedAt: 'Fri Nov 20 23:59:45 2026',
      command: '/usr/bin/node worker.js --port 1',
    })
    expect(identityFromPsLine(7, line.replace('Ss', 'Z+'))).toBeUndefined()
    expect(identityFromPsLine(7, '')).toBeUndefined()
  })
})

describe('withLock', () => {
  it('lets one at a time through, and takes over from an owner that is gone', async () => {
    const file = path.join(folder, 'lock')
    const dead = { pid: process.pid, startedAt: 'before this process', command: 'node' }
    fs.writeFileSync(file, JSON.stringify(dead))
    let inside = 0
    const most: number[] = []
    const work = async () => {
      most.push(++inside)
      await new Promise((resolve) => setTimeout(resolve, 20))
      inside--
    }
    const options = { file, purpose: 'testing', timeoutMs: 10_000, log }
    await Promise.all([1, 2, 3].map(() => withLock(options, work)))
    expect(most).toEqual([1, 1, 1])
    expect(fs.readdirSync(folder)).toEqual([])
  })
})

function startShell(script: string, options: { readyLine?: RegExp; timeoutMs?: number; logFile?: string }) {
  return supervisor.startProcess({
    name: 'api',
    command: 'sh',
    args: ['-c', script],
    env: { PATH },
    cwd: folder,
    logFile: options.logFile ?? path.join(folder, 'api.log'),
    readyLine: options.readyLine,
    timeoutMs: options.timeoutMs ?? 10_000,
  })
}

/** An entry whose pid now belongs to something that was never ours. */
function addForeignEntry(pid: number): void {
  const state = JSON.parse(fs.readFileSync(stateFile, 'utf8')) as { processes: unknown[] }
  state.processes.push({ name: 'foreign', identity: { pid, startedAt: 'long ago', command: 'api' } })
  fs.writeFileSync(stateFile, JSON.stringify(state))
}

/** A process of its own, leading its own group like one started from a terminal, that supervises a worker. */
async function spawnParent() {
  const script = `
    const { createSupervisor } = await import(${JSON.stringify(pathToFileURL(SUPERVISOR_MODULE).href)})
    const supervisor = createSupervisor({ stateFile: ${JSON.stringify(stateFile)}, log() {} })
    await supervisor.endLeftovers()
    supervisor.stopOnSignals((code) => process.exit(code))
    const worker = await supervisor.startProcess({
      name: 'worker', command: 'sleep', args: ['60'], env: { PATH: '${PATH}' }, cwd: '/',
      logFile: ${JSON.stringify(path.join(folder, 'worker.log'))}, timeoutMs: 1000,
    })
    process.stdout.write(worker.pid + '\\n')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: REPOSITORY,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, worker: Number(chunk.toString()) }
}
