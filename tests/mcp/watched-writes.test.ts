/** Whoever watches beside a worker has heard of a write before it leaves; one that stands still hears nothing. */
import { spawn } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SendWindow } from '../../lib/send-window.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { StdioServer } from '../../mcp/port.ts'
import { WATCHER_TITLE } from '../../mcp/watcher-script.ts'
import { childrenOf, failureOf, isAlive, request, stdioTarget, until } from './calls.ts'

const { execPath } = process
const pathOf = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const client = createMcpClient()
let folder: string
let file: string
let target: StdioServer

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-watched-'))
  file = join(folder, 'payments')
  appendFileSync(file, '')
  target = stdioTarget({ args: [pathOf('../support/one-at-a-time-stdio.mjs'), file] })
  await client.callTool(request(target, 'is_paid'))
})
afterEach(() => {
  process.execPath = execPath
  rmSync(folder, { recursive: true })
})
afterAll(() => client.close())

const paid = () => readFileSync(file, 'utf8')
const pay = (window: SendWindow) =>
  client.callTool(request(target, 'pay', { arguments: { about: 'me' }, window }))

async function stopWatcher(pid: number): Promise<number> {
  const [watcher = 0] = childrenOf(pid, WATCHER_TITLE)
  // So that it is there, and not just starting.
  await sleep(1_000)
  process.kill(watcher, 'SIGSTOP')
  return watcher
}

describe('where whoever watches was stopped', () => {
  test('a write waits for another one that watches, and leaves', async () => {
    const stopped = await stopWatcher(process.pid)
    await pay(new SendWindow(20_000))
    expect(paid()).toBe('me\n')
    const watchers = childrenOf(process.pid, WATCHER_TITLE)
    expect(watchers).toHaveLength(1)
    expect(watchers).not.toContain(stopped)
  })

  test('many writes at the same time wait for the same one', async () => {
    await stopWatcher(process.pid)
    await Promise.all([1, 2, 3, 4, 5].map(() => pay(new SendWindow(20_000))))
    expect(paid()).toBe('me\n'.repeat(5))
    expect(childrenOf(process.pid, WATCHER_TITLE)).toHaveLength(1)
  })

  test('a write that has waited in vain does not leave later, though others keep its program', async () => {
    await stopWatcher(process.pid)
    const work = client.callTool(request(target, 'work', { arguments: { forMs: 4_000 } }))
    const signal = AbortSignal.timeout(300)
    const window = new SendWindow(20_000)
    const call = client.callTool(request(target, 'pay', { arguments: { about: 'me' }, window, signal }))
    expect(await failureOf(call)).toMatchObject({ code: 'CANCELLED', sent: 'no' })
    await work
    await sleep(200)
    expect(paid()).toBe('')
  })

  test('and whoever comes after it stands still, too, no write leaves; and then it does', async () => {
    await stopWatcher(process.pid)
    const silent = join(folder, 'silent')
    writeFileSync(silent, '#!/bin/sh\nexec sleep 30\n', { mode: 0o755 })
    process.execPath = silent
    expect(await failureOf(pay(new SendWindow(20_000)))).toMatchObject({ code: 'WRITE_NOT_SENT', sent: 'no' })
    expect(paid()).toBe('')
    process.execPath = execPath
    await pay(new SendWindow(20_000))
    expect(paid()).toBe('me\n')
  })

  test('and its worker is killed with a write under way, a program that stands still does not make it later', async () => {
    const args = [
      '--import',
      'tsx',
      pathOf('../fixtures/holder-of-write.ts'),
      pathOf('../support/paying-stdio.ts'),
    ]
    const worker = spawn(execPath, [...args, file], { stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    worker.stdout.on('data', (words: Buffer) => (said += words.toString()))
    await until(() => said.includes('\n'))
    const program = Number.parseInt(said, 10)
    const watcher = await stopWatcher(worker.pid ?? 0)
    process.kill(program, 'SIGSTOP')
    worker.stdin.write('pay')
    await until(() => /left|failed/.test(said))
    worker.kill('SIGKILL')
    // Two seconds after the worker all of its programs have ended.
    await sleep(4_000)
    if (isAlive(program)) process.kill(program, 'SIGCONT')
    await sleep(1_000)
    if (isAlive(watcher)) process.kill(watcher, 'SIGKILL')
    expect(said).toContain('left')
    expect(paid()).toBe('')
  })
})
