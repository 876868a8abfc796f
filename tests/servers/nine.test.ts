/**
 * Servers of others, as their authors have published them: listed, read, written to through an approval, and wrong. For
 * each a line with what its receipt says goes to standard error. `npm run test:servers`.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { automation, ONE_LEAD, policyFor } from '../support/automations.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'
import { installServers, type Installed } from './install.ts'
import { subjects, type Subject } from './subjects.ts'

const EVERYTHING = '@modelcontextprotocol/server-everything/dist/index.js'
const DBHUB = '@bytebase/dbhub/dist/index.js'
const NAMES = [
  'git',
  'sqlite',
  'filesystem',
  'memory',
  'everything',
  'everything-http',
  'enhanced-postgres',
  'full-access',
  'dbhub',
  'dbhub-http',
]

let s: Scenario
let folder: string
let things: pg.Pool
let tried: Record<string, Omit<Subject, 'name'>>
let ssePort = 0
const processes: ChildProcess[] = []
const lines: string[] = []

beforeAll(async () => {
  const installed = await installServers()
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'countersign-servers-')))
  const url = await ensureDatabase(inject('databaseUrl'), `things_${process.pid}_${Date.now().toString(36)}`)
  things = new pg.Pool({ connectionString: url })
  await things.query(
    "create table things (id integer primary key, name text); insert into things values (0, 'zero')",
  )
  const repository = makeRepository()
  writeFileSync(path.join(folder, 'there.txt'), 'it is there')
  tried = subjects({ folder, repository })
  s = await startScenario({ commands: commandsOf(installed, { repository, url }) })
  const http = await startHttpServers(installed, url)
  await s.apply(...NAMES.map((name) => connection(name, http)))
})

afterAll(async () => {
  await s?.close()
  for (const child of processes) child.kill('SIGKILL')
  await things?.end()
  if (folder) rmSync(folder, { recursive: true, force: true })
  process.stderr.write(`\n${lines.join('\n')}\n`)
})

function makeRepository(): string {
  const repository = path.join(folder, 'repository')
  const git = (...args: string[]): Buffer =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.example', ...args], { stdio: 'pipe' })
  git('init', '--quiet', repository)
  git('-C', repository, 'commit', '--quiet', '--allow-empty', '-m', 'the first')
  return repository
}

function commandsOf(
  { npm, python }: Installed,
  { repository, url }: { repository: string; url: string },
): Record<string, { command: string; args: string[] }> {
  return {
    git: python('mcp-server-git', '--repository', repository),
    sqlite: python('mcp-server-sqlite', '--db-path', path.join(folder, 'notes.sqlite')),
    filesystem: npm('@modelcontextprotocol/server-filesystem/dist/index.js', folder),
    memory: npm('@modelcontextprotocol/server-memory/dist/index.js'),
    everything: npm(EVERYTHING, 'stdio'),
    'enhanced-postgres': npm('enhanced-postgres-mcp-server/dist/index.js', url),
    'full-access': npm('mcp-postgres-full-access/dist/index.js', url),
    dbhub: npm(DBHUB, '--transport', 'stdio', '--dsn', `${url}?sslmode=disable`),
  }
}

async function startHttpServers({ npm }: Installed, url: string): Promise<Record<string, string>> {
  const everything = await startServer((port) => ({
    ...npm(EVERYTHING, 'streamableHttp'),
    env: { PORT: String(port) },
  }))
  ssePort = await startServer((port) => ({ ...npm(EVERYTHING, 'sse'), env: { PORT: String(port) } }))
  const dbhub = await startServer((port) =>
    npm(DBHUB, '--transport', 'http', '--port', String(port), '--dsn', `${url}?sslmode=disable`),
  )
  return {
    'everything-http': `http://127.0.0.1:${everything}/mcp`,
    'dbhub-http': `http://127.0.0.1:${dbhub}/mcp`,
  }
}

async function startServer(
  of: (port: number) => { command: string; args: string[]; env?: Record<string, string> },
): Promise<number> {
  const port = await freePort()
  const { command, args, env = {} } = of(port)
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore', cwd: folder })
  processes.push(child)
  await eventually(async () => (await fetch(`http://127.0.0.1:${port}/`)).status > 0)
  return port
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function connection(name: string, http: Record<string, string>): JsonObject {
  const url = http[name]
  const transport = url
    ? { transport: 'http', url, allow_private_addresses: true }
    : { transport: 'stdio', command: name }
  const { tools } = subjectOf(name)
  return { kind: 'Connection', name, spec: { type: 'mcp', ...transport, tools, timeout: '20s' } }
}

function subjectOf(name: string): Omit<Subject, 'name'> {
  const subject = tried[name.replace(/-http$/, '')]
  if (!subject) throw new Error(`there is no subject ${name}`)
  return subject
}

async function start(
  of: string,
  what: string,
  call: { tool: string; arguments: JsonObject },
): Promise<StartedRun> {
  const name = `${of}-${what}`
  const step = { name: 'it', tool_call: { connection: of, tool: call.tool, arguments: call.arguments } }
  await s.apply(policyFor(name, ONE_LEAD), {
    ...automation(name, [step, { name: 'end', return: '${{ steps.it.output }}' }]),
  })
  const { run_id: runId, temporal_workflow_id: workflowId } = await s.clerk.startRun({
    name,
    input: { word: 'one' },
  })
  return { runId, workflowId, account: '' }
}

/** With the approval of a lead. */
async function write(
  of: string,
  what: string,
  call: { tool: string; arguments: JsonObject },
): Promise<StartedRun> {
  const run = await start(of, what, call)
  const approval = await s.approvalOf(run)
  await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
  return run
}

function ended(run: StartedRun): Promise<Awaited<ReturnType<Scenario['world']['admin']['getRun']>>> {
  return eventually(async () => {
    const shown = await s.world.admin.getRun({ run_id: run.runId })
    const isOver = !['running', 'waiting_for_approval'].includes(shown.state)
    return isOver && shown
  }, 60_000)
}

async function outcomeOf(run: StartedRun): Promise<Record<string, unknown>> {
  const statements = await s.statements(run)
  return statements.at(-1)?.predicate ?? {}
}

function tell(of: string, what: string, { status, how, code, message }: Record<string, unknown>): void {
  const said = [status, how && `how: ${String(how)}`, code, message].filter(Boolean).map(String)
  lines.push(`${of.padEnd(18)} ${what.padEnd(6)} ${said.join(', ').slice(0, 200)}`)
}

describe.each(NAMES)('%s', (of) => {
  test('is listed, and read', async () => {
    const { read } = subjectOf(of)
    const shown = await ended(await start(of, 'read', read))
    expect(shown.failure).toBeNull()
    expect(JSON.stringify(shown.result)).toContain(JSON.stringify(read.says).slice(1, -1))
    const { rows } = await s.world.database.query<{ tools: number }>(
      'select count(*)::integer as tools from tool_catalog where connection = $1',
      [of],
    )
    expect(rows[0]?.tools).toBeGreaterThan(1)
    const { warnings } = await s.world.admin.getConnectionState({ name: of })
    lines.push(`${of.padEnd(18)} lists  ${rows[0]?.tools} tools, ${warnings.length} warnings`)
  })

  test('is written to when a lead has approved', async () => {
    const { write: call } = subjectOf(of)
    const isAgain = of === 'dbhub-http'
    const again = { ...call, arguments: { sql: "insert into things values (4, 'dbhub over HTTP')" } }
    const run = await write(of, 'write', isAgain ? again : call)
    const shown = await ended(run)
    expect(shown.failure).toBeNull()
    const predicate = await outcomeOf(run)
    expect(predicate).toMatchObject({ status: 'applied', how: 'answered' })
    expect(predicate['answerSha256']).toMatch(/^[0-9a-f]{64}$/)
    tell(of, 'write', predicate)
  })

  test('is wrong, and the receipt says what it has said', async () => {
    const { error } = subjectOf(of)
    if (typeof error.becomes === 'string') {
      const shown = await ended(await start(of, 'error', error))
      expect(shown.failure?.code).toBe(error.becomes)
      expect(shown.failure?.message).toContain(error.says)
      return tell(of, 'error', { status: 'nothing sent', code: error.becomes })
    }
    const run = await write(of, 'error', error)
    const shown = await ended(run)
    const predicate = await outcomeOf(run)
    expect(predicate).toMatchObject(error.becomes)
    expect(JSON.stringify([predicate['message'] ?? shown.result])).toContain(error.says)
    return tell(of, 'error', predicate)
  })
})

test('what was approved was done, by the servers that have committed it', async () => {
  const branches = execFileSync('git', ['-C', path.join(folder, 'repository'), 'branch'], {
    encoding: 'utf8',
  })
  expect(branches).toContain('approved')
  expect(readFileSync(path.join(folder, 'approved.txt'), 'utf8')).toBe('approved')
  expect(existsSync('/etc/countersign-was-here')).toBe(false)
  const { rows } = await things.query<{ id: number; name: string }>('select id, name from things order by id')
  expect(rows.map(({ name }) => name)).toEqual(['zero', 'enhanced', 'dbhub', 'dbhub over HTTP'])
})

test('a server that speaks the older transport over HTTP alone is told apart', async () => {
  const spec = {
    type: 'mcp',
    transport: 'http',
    url: `http://127.0.0.1:${ssePort}/sse`,
    allow_private_addresses: true,
  }
  await s.apply({ kind: 'Connection', name: 'everything-sse', spec })
  const call = { connection: 'everything-sse', tool: 'echo', arguments: {} }
  const saved = s.apply(automation('over-sse', [{ name: 'it', tool_call: call }]))
  const refusal = await saved.then(
    () => 'saved',
    (error: Error) => error.message,
  )
  expect(refusal).toContain('HTTP 404')
  lines.push(`${'everything-sse'.padEnd(18)} lists  ${refusal.slice(0, 200)}`)
})
