/** A write leaves through its window: once, in time, or not at all; and nothing that comes back says otherwise. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SendWindow } from '../../lib/send-window.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpServer, StdioServer } from '../../mcp/port.ts'
import { WATCHER_TITLE } from '../../mcp/watcher-script.ts'
import { startTestMcpServer, type TestMcpServer, type TestMcpServerOptions } from '../support/mcp-server.ts'
import { payingTools } from '../support/paying.ts'
import { childrenOf, failureOf, httpTarget, isAlive, request, stdioTarget, until } from './calls.ts'

const client = createMcpClient()
const servers: TestMcpServer[] = []
let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-once-'))
  file = join(folder, 'payments')
  appendFileSync(file, '')
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  rmSync(folder, { recursive: true })
})
afterAll(() => client.close())

const paid = () => readFileSync(file, 'utf8').split('\n').length - 1

async function overHttp(options: TestMcpServerOptions = {}): Promise<TestMcpServer> {
  const book = { add: (about: string) => appendFileSync(file, `${about}\n`), count: () => paid() }
  const server = await startTestMcpServer({ tools: payingTools(book), ...options })
  servers.push(server)
  return server
}

function overStdio(): StdioServer {
  const script = fileURLToPath(new URL('../support/paying-stdio.ts', import.meta.url))
  return stdioTarget({ args: ['--import', 'tsx', script, file] })
}

/** With a shell in front, as a package manager is. */
function oneAtATime(prefix = ''): StdioServer {
  const script = fileURLToPath(new URL('../support/one-at-a-time-stdio.mjs', import.meta.url))
  const command = `${prefix} "$0" "$1" "$2"; exit $?`
  return stdioTarget({ command: 'sh', args: ['-c', command, process.execPath, script, file] })
}

const pay = (target: McpServer, window: SendWindow, about = 'me') =>
  client.callTool(request(target, 'pay', { arguments: { about }, window }))

describe.each(['HTTP', 'stdio'])('a write over %s', (by) => {
  const target = async () => (by === 'HTTP' ? httpTarget((await overHttp()).url) : overStdio())

  it('does not leave when its time is over, whatever the limits of the call', async () => {
    const to = await target()
    const window = new SendWindow(0)
    const failure = await failureOf(pay(to, window))
    expect(failure).toMatchObject({ code: 'WRITE_NOT_SENT', sent: 'no' })
    expect(window.giveUp(failure)?.error).toBe(failure)
    expect(paid()).toBe(0)
  })

  it('leaves once', async () => {
    const to = await target()
    const window = new SendWindow(20_000)
    await pay(to, window)
    expect(await failureOf(pay(to, window))).toMatchObject({ code: 'CALL_INTERRUPTED', sent: 'unknown' })
    expect(paid()).toBe(1)
  })

  it('does not leave when somebody was told that it did not', async () => {
    const to = await target()
    const window = new SendWindow(20_000)
    const stop = new AbortController()
    const call = client.callTool(
      request(to, 'pay', { arguments: { about: 'me' }, window, signal: stop.signal }),
    )
    stop.abort()
    const failure = await failureOf(call)
    expect(failure).toMatchObject({ code: 'CANCELLED', sent: 'no' })
    window.giveUp(failure)
    await client.callTool(request(to, 'is_paid', { arguments: { about: 'me' } }))
    expect(paid()).toBe(0)
  })
})

describe('the call of a write over HTTP', () => {
  it('is not repeated over a new session when the server says that it has lost the first one', async () => {
    const server = await overHttp({
      sessions: true,
      intercept: ({ method }, response) => {
        if (method === 'tools/call') response.writeHead(404).end()
        return method === 'tools/call'
      },
    })
    const failure = await failureOf(pay(httpTarget(server.url), new SendWindow(20_000)))
    expect(failure).toMatchObject({ code: 'CALL_REFUSED', sent: 'refused', answer: 404 })
    expect(server.methods.filter((method) => method === 'tools/call')).toHaveLength(1)
    expect(server.methods.filter((method) => method === 'initialize')).toHaveLength(1)
  })

  it('is not sent on to where it is redirected, and goes at once to where initialize was', async () => {
    const redirected: string[] = []
    const server = await overHttp({
      intercept: ({ method }, response, incoming) => {
        if (incoming.url !== '/mcp') return false
        redirected.push(method)
        response.writeHead(307, { location: '/mcp/' }).end()
        return true
      },
    })
    await pay(httpTarget(server.url), new SendWindow(20_000))
    expect(paid()).toBe(1)
    expect(redirected).not.toContain('tools/call')
    const moving = await overHttp({
      intercept: ({ method }, response, incoming) => {
        if (method !== 'tools/call' || incoming.url !== '/mcp') return false
        response.writeHead(307, { location: '/mcp/' }).end()
        return true
      },
    })
    const failure = await failureOf(pay(httpTarget(moving.url), new SendWindow(20_000)))
    expect(failure).toMatchObject({ code: 'CALL_REFUSED', sent: 'refused', answer: 307 })
    expect(paid()).toBe(1)
  })
})

describe('a child process that does not read', () => {
  const long = 'x'.repeat(400_000)

  async function stoppedChild(): Promise<{ target: StdioServer; pid: number }> {
    const target = overStdio()
    const { structuredContent } = await client.callTool(request(target, 'pid'))
    const { pid } = structuredContent as { pid: number }
    process.kill(pid, 'SIGSTOP')
    return { target, pid }
  }

  it('gets no write behind what it has not read', async () => {
    const { target, pid } = await stoppedChild()
    const before = client.callTool(request(target, 'is_paid', { arguments: { about: long } }))
    const failure = await failureOf(pay(target, new SendWindow(20_000)))
    expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'no' })
    process.kill(pid, 'SIGCONT')
    await before
    expect(paid()).toBe(0)
  })

  it.each([
    ['that stands still', false],
    ['for which others wait, too, and that stands still', true],
  ])('one %s with a write in its pipe is gone when the deadline is over', async (_which, isAwaited) => {
    const { target, pid } = await stoppedChild()
    const reading = isAwaited ? failureOf(client.callTool(request(target, 'is_paid'))) : null
    const window = new SendWindow(300)
    const call = client.callTool(
      request(target, 'pay', { arguments: { about: 'me' }, window, deadlineAtMs: window.deadlineAtMs }),
    )
    expect(await failureOf(call)).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown' })
    // Nobody can wake it any more: within what the ledger waits besides.
    await until(() => !isAlive(pid))
    expect(window.remainingMs).toBeGreaterThan(-1_000)
    await reading
    expect(paid()).toBe(0)
  })

  it('one that speaks of other work, which others wait for, is gone as well, and a later look stays true', async () => {
    const target = oneAtATime()
    await client.callTool(request(target, 'is_paid', { arguments: { about: 'me' } }))
    const work = failureOf(client.callTool(request(target, 'work', { arguments: { forMs: 5_000 } })))
    const window = new SendWindow(1_000)
    const { deadlineAtMs } = window
    const call = client.callTool(request(target, 'pay', { arguments: { about: 'me' }, window, deadlineAtMs }))
    expect(await failureOf(call)).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown' })
    const look = await client.callTool(request(target, 'is_paid', { arguments: { about: 'me' } }))
    expect(look.structuredContent).toMatchObject({ paid: false })
    await pay(target, new SendWindow(20_000))
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    expect(paid()).toBe(1)
    // A reading, which is made again.
    expect(await work).toMatchObject({ code: 'CALL_INTERRUPTED', sent: 'unknown' })
  })

  it('one that answers others, and has put the write aside, is gone as well', async () => {
    const target = overStdio()
    const { structuredContent } = await client.callTool(request(target, 'pid'))
    const { pid } = structuredContent as { pid: number }
    const slow = failureOf(client.callTool(request(target, 'nap', { arguments: { forMs: 6_000 } })))
    const window = new SendWindow(1_500)
    const call = client.callTool(
      request(target, 'nap', { arguments: { forMs: 6_000 }, window, deadlineAtMs: window.deadlineAtMs }),
    )
    await client.callTool(request(target, 'pid'))
    expect(await failureOf(call)).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown' })
    await until(() => !isAlive(pid))
    expect(window.remainingMs).toBeGreaterThan(-1_000)
    expect(await slow).toMatchObject({ code: 'CALL_INTERRUPTED' })
  })

  it('gets no rest of a write after its deadline', async () => {
    const { target, pid } = await stoppedChild()
    const window = new SendWindow(300)
    const { deadlineAtMs } = window
    const call = client.callTool(request(target, 'pay', { arguments: { about: long }, window, deadlineAtMs }))
    expect(await failureOf(call)).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown' })
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // Gone already.
    }
    await until(() => !isAlive(pid))
    expect(paid()).toBe(0)
  })
})

/** The answer, or the failure. */
const tryToPay = (target: McpServer): Promise<unknown> =>
  pay(target, new SendWindow(20_000)).catch((error: unknown) => error)

describe.runIf(existsSync('/proc/self/stat'))('a program of which not all would end, on Linux', () => {
  it('gets no write where its server has left the group with our pipe', async () => {
    const target = oneAtATime('setsid')
    const { structuredContent } = await client.callTool(request(target, 'is_paid'))
    const answer = await tryToPay(target)
    process.kill((structuredContent as { pid: number }).pid, 'SIGKILL')
    expect(answer).toMatchObject({ code: 'COMMAND_NOT_FOUND', sent: 'no' })
    expect(String(answer)).toContain('left its group')
    expect(paid()).toBe(0)
  })

  it('gets its writes where only a helper has left it, as a browser does', async () => {
    await pay(oneAtATime('setsid sleep 3 < /dev/null > /dev/null 2>&1 &'), new SendWindow(20_000))
    expect(paid()).toBe(1)
  })
})

describe('a program', () => {
  it('gets no write while nobody watches over it, and then it does', async () => {
    const target = oneAtATime()
    await client.callTool(request(target, 'is_paid'))
    // One that has ended at once is not started anew at once.
    await killWatcher()
    await killWatcher()
    expect(await tryToPay(target)).toMatchObject({ code: 'WRITE_NOT_SENT', sent: 'no' })
    await until(() => watchers().length === 1)
    await pay(target, new SendWindow(20_000))
    expect(paid()).toBe(1)
  })
})

const watchers = () => childrenOf(process.pid, WATCHER_TITLE)

async function killWatcher(): Promise<void> {
  await until(() => watchers().length === 1)
  const [pid = 0] = watchers()
  process.kill(pid, 'SIGKILL')
  await until(() => !watchers().includes(pid))
  // So that we have noticed.
  await new Promise((resolve) => setTimeout(resolve, 50))
}
