/** A worker that may change accounts, and has not all rights of root: a program that it may not end gets no write. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { resolveCommand } from '../../mcp/commands.ts'
import { until } from './calls.ts'

const isRoot = process.getuid?.() === 0 && existsSync('/proc/self/status')
const root = fileURLToPath(new URL('../..', import.meta.url))
const program = fileURLToPath(new URL('../support/plain-stdio.mjs', import.meta.url))
const caller = fileURLToPath(new URL('../fixtures/other-account.ts', import.meta.url))
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-account-'))
  chmodSync(folder, 0o777)
  copyFileSync(program, join(folder, 'plain-stdio.mjs'))
  for (const name of ['payments', 'pid']) {
    writeFileSync(join(folder, name), '')
    chmodSync(join(folder, name), 0o666)
  }
})
afterEach(async () => {
  if (childPid() !== 0) kill('SIGKILL')
  await rm(folder, { recursive: true })
})

const childPid = (): number => Number(readFileSync(join(folder, 'pid'), 'utf8'))
const payments = (): string => readFileSync(join(folder, 'payments'), 'utf8')

function kill(signal: NodeJS.Signals): boolean {
  try {
    return process.kill(childPid(), signal)
  } catch {
    return false
  }
}

/** The program is stopped when it has started. Gives what the worker says, and how it ends. */
async function workerWith(rights: string[], by: string): Promise<string> {
  // Root, which of all its rights has these; whoever checks this out may keep it to himself.
  const kept = `-all,+dac_override,${rights.map((right) => `+${right}`).join(',')}`
  const caps = [`--inh-caps=${kept}`, `--bounding-set=${kept}`]
  const args = [...caps, process.execPath, '--import', 'tsx', caller, folder, by]
  const worker = spawn('setpriv', args, { cwd: root })
  let said = ''
  for (const source of [worker.stdout, worker.stderr]) source.on('data', (words) => (said += words))
  const stopping = setInterval(() => childPid() !== 0 && kill('SIGSTOP') && clearInterval(stopping), 20)
  const [code] = (await once(worker, 'close')) as [number]
  clearInterval(stopping)
  return `${said.trim()}; ended with ${code}`
}

describe.runIf(isRoot)('a worker that may change accounts', () => {
  test('and may end what runs under others does so with a write in the pipe', async () => {
    const said = await workerWith(['setuid', 'setgid', 'kill'], 'entry')
    expect(said).toBe('CALL_TIMEOUT unknown; ended with 0')
    await until(() => !kill('SIGCONT'))
    expect(payments()).toBe('')
  })

  test('but may not end what runs under others starts nothing under another account, and says what it lacks', async () => {
    const said = await workerWith(['setuid', 'setgid'], 'entry')
    expect(said).toMatch(/^COMMAND_NOT_FOUND .*CAP_KILL.*; ended with 0$/)
    expect(childPid()).toBe(0)
  })

  test.each([
    ['to a program that has changed its account by itself', 'itself'],
    ['to a program behind a script that has not', 'below'],
  ])('sends no write %s, and goes on', async (_name, by) => {
    const said = await workerWith(['setuid', 'setgid'], by)
    expect(said).toMatch(/COMMAND_NOT_FOUND no; ended with 0$/)
    kill('SIGCONT')
    expect(payments()).toBe('')
  })

  test('and is not root hands none of its rights on', async () => {
    const entry = { command: 'cat', args: ['/proc/self/status'], env: {}, uid: 1234, gid: 1234 }
    const file = { path: '', commands: { status: entry } }
    const { command, args } = resolveCommand(file, { name: 'status', organization: 'acme' }, String)
    const rights = '-all,+setuid,+setgid,+kill'
    const account = ['--reuid=1000', '--regid=1000', '--clear-groups']
    const worker = [...account, `--inh-caps=${rights}`, `--ambient-caps=${rights}`, '--']
    const { stdout } = spawnSync('setpriv', [...worker, command, ...args], { encoding: 'utf8' })
    expect(stdout).toMatch(/^Uid:(\s+1234){4}$/m)
    expect(stdout.match(/^Cap(?:Inh|Prm|Eff|Amb):\s+0+$/gm) ?? []).toHaveLength(4)
  })
})
