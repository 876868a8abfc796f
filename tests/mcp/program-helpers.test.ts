/** Programs that have started others, which live on when they end: a script in front of a server, and helpers of their own. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SendWindow } from '../../lib/send-window.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpClientPort, StdioServer } from '../../mcp/port.ts'
import { failureOf, isAlive, isRunning, request, stdioTarget, until } from './calls.ts'

let client: McpClientPort
let folder: string
let file: string
let target: StdioServer
beforeEach(() => {
  client = createMcpClient()
  folder = mkdtempSync(join(tmpdir(), 'countersign-helpers-'))
  file = join(folder, 'payments')
  appendFileSync(file, '')
  target = stdioTarget({ args: [pathOf('../support/helpers-stdio.mjs'), file] })
})
afterEach(async () => {
  await client.close()
  rmSync(folder, { recursive: true })
})

function pathOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

async function pidAfter(tool: string, to = target): Promise<number> {
  const { structuredContent } = await client.callTool(request(to, tool))
  return (structuredContent as { pid: number }).pid
}

const pay = (to: StdioServer, window: SendWindow) =>
  client.callTool(
    request(to, 'pay', { arguments: { about: 'me' }, window, deadlineAtMs: window.deadlineAtMs }),
  )

describe('a program that has crashed while a helper of it keeps its output', () => {
  test('is started anew for the next call', async () => {
    const pid = await pidAfter('helper')
    await pidAfter('crash')
    await until(() => !isAlive(pid))
    expect(await pidAfter('look')).not.toBe(pid)
  })

  test('keeps nobody waiting who has called it', async () => {
    const pid = await pidAfter('helper')
    process.kill(pid, 'SIGSTOP')
    const call = failureOf(pidAfter('look'))
    setTimeout(() => process.kill(pid, 'SIGKILL'), 100)
    const begunAtMs = Date.now()
    expect(await call).toMatchObject({ code: 'CALL_INTERRUPTED', sent: 'unknown' })
    expect(Date.now() - begunAtMs).toBeLessThan(5_000)
  })

  // A namespace of its own, as its root: where the kernel does not allow that, ids cannot be chosen.
  const namespace = ['-Urpf', '--mount-proc']
  const canChoose =
    spawnSync('unshare', [...namespace, 'test', '-w', '/proc/sys/kernel/ns_last_pid']).status === 0
  test.runIf(canChoose).each([
    ['the worker closes it', 'closed'],
    ['the worker is killed', 'killed'],
  ])('leaves whoever gets its id alone when %s', (_when, how) => {
    const args = [process.execPath, '--import', 'tsx', pathOf('../fixtures/reused-id.ts'), how]
    const { stdout, stderr } = spawnSync('unshare', [...namespace, ...args], { encoding: 'utf8' })
    expect(stdout + stderr).toBe('the stranger lives\n')
  })
})

describe('a server behind a script that was killed', () => {
  /** Goes on when its input has ended. */
  function behindScript(): StdioServer {
    const args = [process.execPath, pathOf('../support/one-at-a-time-stdio.mjs'), file]
    return stdioTarget({ command: 'sh', args: ['-c', 'exec 3<&0; "$0" "$1" "$2" <&3 & wait', ...args] })
  }
  const scriptOf = (server: number): number =>
    Number(spawnSync('ps', ['-o', 'ppid=', '-p', String(server)], { encoding: 'utf8' }).stdout)

  test('is gone with a write in its pipe when the time of the write is over', async () => {
    const to = behindScript()
    const server = await pidAfter('look', to)
    process.kill(server, 'SIGSTOP')
    const window = new SendWindow(2_000)
    const call = failureOf(pay(to, window))
    await until(() => window.hasPassed)
    process.kill(scriptOf(server), 'SIGKILL')
    await call
    await until(() => !isRunning(server))
    expect(window.remainingMs).toBeGreaterThan(-1_000)
    expect(readFileSync(file, 'utf8')).toBe('')
  })
})

test.runIf(existsSync('/proc/self/stat'))(
  'a program gets its writes whose helper has its input closed',
  async () => {
    await pidAfter('quiet')
    // So that the helper has closed it.
    await new Promise((resolve) => setTimeout(resolve, 300))
    await pay(target, new SendWindow(10_000))
    expect(readFileSync(file, 'utf8')).toBe('me\n')
  },
)
