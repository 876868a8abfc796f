import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { ChildPipe } from '../../mcp/child-pipe.ts'
import { createMcpClient } from '../../mcp/client.ts'
import type { McpClientOptions } from '../../mcp/client.ts'
import type { McpClientPort, StdioServer, ToolResult } from '../../mcp/port.ts'
import { WATCHER_TITLE } from '../../mcp/watcher-script.ts'
import { childrenOf, failureOf, isAlive, isRunning, limits, request, stdioTarget, until } from './calls.ts'

const clients: McpClientPort[] = []

function createClient(options: McpClientOptions = {}): McpClientPort {
  const client = createMcpClient(options)
  clients.push(client)
  return client
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()))
})

async function pidOf(client: McpClientPort, target: StdioServer): Promise<number> {
  return Number(textOf(await client.callTool(request(target, 'pid'))))
}

function textOf(result: ToolResult): string {
  const [first] = result.content as { text?: string }[]
  return first?.text ?? ''
}

describe('the filesystem server over stdio', () => {
  let directory: string
  let target: StdioServer

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'countersign-mcp-'))
    const manifest = createRequire(import.meta.url).resolve(
      '@modelcontextprotocol/server-filesystem/package.json',
    )
    target = stdioTarget({
      name: 'filesystem',
      args: [join(dirname(manifest), 'dist/index.js'), directory],
    })
  })
  afterAll(() => rm(directory, { recursive: true }))

  it('lists its tools and writes a file', async () => {
    const client = createClient()
    const { tools } = await client.listTools(target, limits())
    expect(tools.find(({ name }) => name === 'write_file')?.annotations).toMatchObject({
      readOnlyHint: false,
    })
    const path = join(directory, 'note.txt')
    const result = await client.callTool(
      request(target, 'write_file', { arguments: { path, content: 'hello' } }),
    )
    expect(result.isError).toBe(false)
    expect(await readFile(path, 'utf8')).toBe('hello')
  })
})

describe('the pool of child processes', () => {
  it('uses one child for calls to the same target, also at the same time', async () => {
    const client = createClient()
    const pids = await Promise.all([1, 2, 3].map(() => pidOf(client, stdioTarget())))
    pids.push(await pidOf(client, stdioTarget()))
    expect(new Set(pids).size).toBe(1)
  })

  it('keeps organizations and environments apart', async () => {
    const client = createClient()
    const pids = await Promise.all([
      pidOf(client, stdioTarget()),
      pidOf(client, stdioTarget({ poolKey: 'other' })),
      pidOf(client, stdioTarget({ env: { TEST_TOKEN: 'a-token' } })),
    ])
    expect(new Set(pids).size).toBe(3)
  })

  it('ends an idle child and starts another for the next call', async () => {
    const client = createClient({ stdioMaxIdleMs: 50 })
    const pid = await pidOf(client, stdioTarget())
    await until(() => !isAlive(pid))
    expect(await pidOf(client, stdioTarget())).not.toBe(pid)
  })

  it('ends every child when it is closed, and refuses calls from then on', async () => {
    const client = createClient()
    const pid = await pidOf(client, stdioTarget())
    await client.close()
    expect(isAlive(pid)).toBe(false)
    const failure = await failureOf(client.callTool(request(stdioTarget(), 'pid')))
    expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'no' })
  })
})

describe('a process that is killed', () => {
  it('takes its children with it, also those that do not mind the end of their input, and what they have started', async () => {
    const server = `
      const { spawn } = require('node:child_process')
      const inner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
      console.error([process.pid, inner.pid].join(' '))
      setInterval(() => {}, 1000)`
    const pipe = new URL('../../mcp/child-pipe.ts', import.meta.url).href
    const target = {
      type: 'stdio',
      name: 'x',
      command: process.execPath,
      args: ['-e', server],
      env: {},
      poolKey: 'a',
    }
    const script = `
      import { ChildPipe } from ${JSON.stringify(pipe)}
      const child = new ChildPipe(${JSON.stringify(target)}, { maxMessageBytes: 1000 })
      child.stderr.pipe(process.stdout)
      await child.start()`
    const holder = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script])
    const [said] = (await once(holder.stdout, 'data')) as [Buffer]
    const pids = said.toString().trim().split(' ').map(Number)
    expect(pids.map(isAlive)).toEqual([true, true])
    // So that whoever watches beside it has heard of the child.
    await new Promise((resolve) => setTimeout(resolve, 100))
    // One that stands still would otherwise go on, with a call that is still in its pipe.
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    holder.kill('SIGKILL')
    await until(() => !pids.some(isAlive))
  })
})

interface Stopped {
  durationMs: number
  isAnswered?: boolean
  /** What whoever watches gets with the write under way. */
  watcherGets?: 'SIGKILL' | 'SIGSTOP'
}

describe('a process that is stopped', () => {
  it.each<[string, Stopped]>([
    ['takes a child with it that has not answered its write in time', { durationMs: 1_000 }],
    ['does so in time also where the write had little of it', { durationMs: 300 }],
    [
      'does so when whoever watched was killed with the write under way',
      { durationMs: 6_000, watcherGets: 'SIGKILL' },
    ],
    [
      'does so when whoever watched was stopped with the write under way',
      { durationMs: 6_000, watcherGets: 'SIGSTOP' },
    ],
    ['leaves one alone that has', { durationMs: 1_000, isAnswered: true }],
  ])('%s', async (_name, { durationMs, isAnswered = false, watcherGets }) => {
    const { holder, pid } = await holderOfWrite(durationMs, isAnswered)
    const [watcher = 0] = childrenOf(holder.pid ?? 0, WATCHER_TITLE)
    if (watcherGets) {
      // One that has ended at once is not started anew at once.
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      process.kill(watcher, watcherGets)
      // Within two seconds somebody else is told.
      await new Promise((resolve) => setTimeout(resolve, 3_500))
    }
    holder.kill('SIGSTOP')
    // The ledger waits 1.5 s longer than the call.
    await new Promise((resolve) => setTimeout(resolve, durationMs + 1_400))
    expect(isRunning(pid)).toBe(isAnswered)
    holder.kill('SIGKILL')
    await until(() => !isAlive(pid))
  })
})

/** A process with a child that stays for good, and with a write in its pipe. */
async function holderOfWrite(
  durationMs: number,
  isAnswered: boolean,
): Promise<{ holder: ChildProcess; pid: number }> {
  const server = `
    const answer = JSON.stringify({ jsonrpc: '2.0', id: 1, result: {} })
    process.stdin.on('data', () => ${isAnswered ? 'console.log(answer)' : 'undefined'})
    process.stdin.once('data', () => console.error(process.pid))
    setInterval(() => {}, 1000)`
  const [pipe, windows] = ['mcp/child-pipe.ts', 'lib/send-window.ts'].map(
    (file) => new URL(`../../${file}`, import.meta.url).href,
  )
  const target = { type: 'stdio', name: 'x', command: process.execPath, args: ['-e', server], env: {} }
  const script = `
    import { ChildPipe } from ${JSON.stringify(pipe)}
    import { SendWindow } from ${JSON.stringify(windows)}
    const child = new ChildPipe(${JSON.stringify(target)}, { maxMessageBytes: 1000 })
    child.onmessage = () => undefined
    await child.start()
    child.stderr.pipe(process.stdout)
    const params = { name: 'pay', arguments: {} }
    child.expect({ method: 'tools/call', params }, new SendWindow(${durationMs}))
    await child.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params })`
  const holder = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script])
  const [said] = (await once(holder.stdout, 'data')) as [Buffer]
  // So that the answer, if there is one, was read.
  await new Promise((resolve) => setTimeout(resolve, 100))
  return { holder, pid: Number(said.toString()) }
}

describe('a failure over stdio', () => {
  it('is COMMAND_NOT_FOUND when the command does not exist', async () => {
    const target = stdioTarget({ command: 'no-such-command-anywhere' })
    const failure = await failureOf(createClient().callTool(request(target, 'pid')))
    expect(failure).toMatchObject({ code: 'COMMAND_NOT_FOUND', sent: 'no' })
  })

  it('does not cancel an introduction, which MCP forbids', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-mcp-'))
    const file = join(folder, 'heard')
    const script = `
      let heard = ''
      process.stdin.on('data', (text) => (heard += text))
      process.stdin.on('end', () => require('node:fs').writeFileSync(${JSON.stringify(file)}, heard))`
    const pipe = new ChildPipe(stdioTarget({ args: ['-e', script] }), { maxMessageBytes: 1_000 })
    const client = new Client({ name: 'x', version: '1' })
    await expect(client.connect(pipe, { timeout: 500 })).rejects.toThrow('timed out')
    const heard = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
    await until(() => heard().endsWith('\n'))
    const methods = heard()
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { method: string }).method)
    expect(methods).toEqual(['initialize'])
    await rm(folder, { recursive: true })
  })

  it('is CONNECTION_NOT_READY with the last words when the child ends before it is ready', async () => {
    const target = stdioTarget({ args: ['-e', 'console.error("no licence"); process.exit(1)'] })
    const failure = await failureOf(createClient().callTool(request(target, 'pid')))
    expect(failure).toMatchObject({ code: 'CONNECTION_NOT_READY', sent: 'no' })
    expect(failure.message).toContain('no licence')
  })

  it('says no part of a secret that was cut where its last words begin', async () => {
    const script = 'console.error(process.env.TEST_TOKEN + "\\n".repeat(1990) + "end"); process.exit(1)'
    const target = stdioTarget({ args: ['-e', script], env: { TEST_TOKEN: 's3cret-token' } })
    const failure = await failureOf(createClient().callTool(request(target, 'pid')))
    expect(failure.message).toMatch(/last wrote: \S*\]? ?end$/)
    expect(failure.message).not.toContain('token')
  })

  it('is CALL_INTERRUPTED when the child dies; its last words hide secrets; the next call gets a new child', async () => {
    const client = createClient()
    const target = stdioTarget({ env: { TEST_TOKEN: 's3cret-token' } })
    const pid = await pidOf(client, target)
    const failure = await failureOf(client.callTool(request(target, 'die')))
    expect(failure).toMatchObject({ code: 'CALL_INTERRUPTED', sent: 'unknown' })
    expect(failure.message).toContain('giving up, token [secret]')
    expect(await pidOf(client, target)).not.toBe(pid)
  })

  it('is CALL_INTERRUPTED when the child is killed in the middle of a call', async () => {
    const client = createClient()
    const pid = await pidOf(client, stdioTarget())
    const call = failureOf(client.callTool(request(stdioTarget(), 'hang')))
    setTimeout(() => process.kill(pid, 'SIGKILL'), 50)
    expect(await call).toMatchObject({ code: 'CALL_INTERRUPTED', sent: 'unknown' })
  })

  it('is CALL_TIMEOUT at the deadline, and the child that hangs is ended', async () => {
    const client = createClient()
    const pid = await pidOf(client, stdioTarget())
    const deadlineAtMs = Date.now() + 200
    const failure = await failureOf(client.callTool(request(stdioTarget(), 'hang', { deadlineAtMs })))
    expect(failure).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'unknown' })
    expect(await pidOf(client, stdioTarget())).not.toBe(pid)
    await until(() => !isAlive(pid))
  })

  it('is CANCELLED when the caller gives up', async () => {
    const client = createClient()
    await pidOf(client, stdioTarget())
    const signal = AbortSignal.timeout(100)
    const failure = await failureOf(client.callTool(request(stdioTarget(), 'hang', { signal })))
    expect(failure).toMatchObject({ code: 'CANCELLED', sent: 'unknown', cancelled: true })
  })

  it('of a call that was given up is no answer to another one, though it comes late and without an id', async () => {
    const script = `
      const say = (message) => console.log(JSON.stringify({ jsonrpc: '2.0', ...message }))
      const result = (of) => ({ content: [], structuredContent: { of } })
      const serverInfo = { name: 'x', version: '1' }
      require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
        const { id, method, params } = JSON.parse(line)
        if (method === 'initialize')
          say({ id, result: { protocolVersion: params.protocolVersion, capabilities: { tools: {} }, serverInfo } })
        else if (method === 'tools/call' && params.name === 'first')
          setTimeout(() => say({ result: result('first') }), 1000)
        else if (method === 'tools/call') setTimeout(() => say({ id, result: result('second') }), 1500)
      })`
    const client = createClient()
    const target = stdioTarget({ args: ['-e', script] })
    const first = failureOf(client.callTool(request(target, 'first', { signal: AbortSignal.timeout(500) })))
    const second = client.callTool(request(target, 'second'))
    expect(await first).toMatchObject({ code: 'CANCELLED' })
    expect(await second).toMatchObject({ structuredContent: { of: 'second' } })
  })

  it('is CALL_TIMEOUT, not sent, when the deadline passes while the child starts', async () => {
    const target = stdioTarget({ args: ['-e', 'setTimeout(() => {}, 60_000)'] })
    const deadlineAtMs = Date.now() + 200
    const failure = await failureOf(createClient().callTool(request(target, 'pid', { deadlineAtMs })))
    expect(failure).toMatchObject({ code: 'CALL_TIMEOUT', sent: 'no' })
  })

  it('is RESULT_TOO_LARGE beyond the limit of the call, and the child lives on', async () => {
    const client = createClient()
    const pid = await pidOf(client, stdioTarget())
    const call = request(stdioTarget(), 'big', { arguments: { bytes: 5_000 }, maxResultBytes: 4_000 })
    expect(await failureOf(client.callTool(call))).toMatchObject({ code: 'RESULT_TOO_LARGE', sent: 'yes' })
    expect(await pidOf(client, stdioTarget())).toBe(pid)
  })

  it('is RESULT_TOO_LARGE at once beyond what a child may send, and ends the child', async () => {
    const client = createClient({ stdioMaxMessageBytes: 100_000 })
    const pid = await pidOf(client, stdioTarget())
    const startedAtMs = Date.now()
    const failure = await failureOf(
      client.callTool(request(stdioTarget(), 'big', { arguments: { bytes: 5_000_000 } })),
    )
    expect(failure).toMatchObject({ code: 'RESULT_TOO_LARGE', sent: 'yes' })
    expect(Date.now() - startedAtMs).toBeLessThan(8_000)
    await until(() => !isAlive(pid))
    expect(await pidOf(client, stdioTarget())).not.toBe(pid)
  })
})
