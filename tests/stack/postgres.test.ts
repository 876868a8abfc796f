/** The embedded PostgreSQL keeps its data and comes back after every kind of death. Real servers, real kills. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import type { Postgres } from '../../scripts/stack/postgres.ts'
import { ensureDatabase, startPostgres } from '../../scripts/stack/postgres.ts'
import { createMissingLinks } from '../../scripts/stack/postgres-binaries.ts'
import { identify } from '../../scripts/stack/process-identity.ts'
import { makeTestFolder, removeTestFolder } from './test-folder.ts'

const POSTGRES_MODULE = fileURLToPath(new URL('../../scripts/stack/postgres.ts', import.meta.url))
const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))

let folder: string
let dataDir: string
const lines: string[] = []
const log = (line: string) => void lines.push(line)
const start = (port?: number) => startPostgres({ dataDir, log, port, throwaway: true })

beforeEach(() => {
  lines.length = 0
  const places = makeTestFolder()
  folder = places.folder
  dataDir = places.postgresDir
})

afterEach(() => removeTestFolder(folder))

describe('embedded PostgreSQL', () => {
  it('adopts the server that a killed parent left behind, on the same data', async () => {
    const parent = await spawnParent()
    await query(parent.url, 'CREATE TABLE kept AS SELECT 1 AS value')
    parent.child.kill('SIGKILL')
    await once(parent.child, 'exit')

    const postgres = await start()
    expect(postgres).toMatchObject({ adopted: true, pid: parent.pid })
    expect(await query(postgres.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }])
    await postgres.stop()
    expect(identify(parent.pid)).toBeUndefined()
  })

  it('recovers what was committed when the server itself is killed', async () => {
    const first = await start()
    await query(first.url, 'CREATE TABLE kept AS SELECT 2 AS value')
    process.kill(pidOf(first), 'SIGKILL')

    const second = await start()
    expect(second.adopted).toBe(false)
    expect(second.pid).not.toBe(first.pid)
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 2 }])
  })

  it('leaves alone a foreign process whose pid the stale pid file names', async () => {
    const first = await start()
    process.kill(pidOf(first), 'SIGKILL')
    const pidFile = path.join(dataDir, 'postmaster.pid')
    const foreign = spawn('sleep', ['60'])
    const stale = fs.readFileSync(pidFile, 'utf8').replace(/^\d+/, String(foreign.pid))
    fs.writeFileSync(pidFile, stale)

    const second = await start()
    expect(second.adopted).toBe(false)
    expect(foreign.exitCode ?? foreign.signalCode).toBeNull()
    foreign.kill()
  })

  it('lets two starts at once share one server', async () => {
    const [first, second] = await Promise.all([start(), start()])
    expect(first.pid).toBe(second.pid)
    expect([first.adopted, second.adopted].toSorted()).toEqual([false, true])
  })

  it('listens on the loopback interface only, and asks for the password kept in a 0600 file', async () => {
    const postgres = await start()
    const [row] = await query(postgres.url, 'SHOW listen_addresses')
    expect(row).toEqual({ listen_addresses: '127.0.0.1' })
    expect(fs.statSync(`${dataDir}.password`).mode & 0o777).toBe(0o600)
    const wrong = new URL(postgres.url)
    wrong.password = 'wrong'
    await expect(query(wrong.toString(), 'SELECT 1')).rejects.toThrow(/password authentication failed/)
  })

  it('takes another port when the wished one is taken', async () => {
    const taken = Number(new URL(inject('databaseUrl')).port || 5432)
    const postgres = await start(taken)
    expect(Number(new URL(postgres.url).port)).not.toBe(taken)
    expect(lines.join('\n')).toContain(`port ${taken} is taken`)
  })

  it.runIf(process.getuid?.() === 0)('moves the data where its account can reach it', async () => {
    fs.chmodSync(folder, 0o700)
    const sharedRoot = fs.mkdtempSync(path.join(os.tmpdir(), 'countersign-shared-'))
    fs.chmodSync(sharedRoot, 0o755)
    const first = await startPostgres({ dataDir, log, sharedRoot, throwaway: true })
    expect(first.dataDir).toContain(sharedRoot)
    await query(first.url, 'CREATE TABLE kept AS SELECT 3 AS value')
    await first.stop()
    const second = await startPostgres({ dataDir, log, sharedRoot, throwaway: true })
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual([{ value: 3 }])
    await second.stop()
    fs.rmSync(sharedRoot, { recursive: true })
  })

  it('explains a data folder that holds something else', async () => {
    fs.mkdirSync(dataDir)
    fs.writeFileSync(path.join(dataDir, 'letter.txt'), 'hello')
    await expect(start()).rejects.toThrow(/is not empty and holds no PostgreSQL data/)
    expect(fs.existsSync(path.join(dataDir, 'letter.txt'))).toBe(true)
  })
})

describe('a PostgreSQL server of somebody else', () => {
  it('is used and never stopped', async () => {
    const postgres = await startPostgres({ dataDir, log, databaseUrl: inject('databaseUrl') })
    await postgres.stop()
    expect(postgres).toMatchObject({ url: inject('databaseUrl'), pid: undefined, adopted: false })
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  it('that does not answer is reported without its password, with what to do', async () => {
    const databaseUrl = 'postgres://somebody:very-secret@127.0.0.1:1/nothing'
    const failure = await startPostgres({ dataDir, log, databaseUrl }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'UNAVAILABLE' })
    expect(String(failure)).toContain('127.0.0.1:1/nothing')
    expect(String(failure)).toContain('unset DATABASE_URL')
    expect(String(failure)).not.toContain('very-secret')
  })
})

describe('ensureDatabase', () => {
  it('makes a database once, whoever asks at the same time', async () => {
    const name = `Made "once" ${process.pid}`
    const urls = await Promise.all([1, 2, 3].map(() => ensureDatabase(inject('databaseUrl'), name)))
    expect(new Set(urls).size).toBe(1)
    const [row] = await query(urls[0] ?? '', 'SELECT current_database() AS name')
    expect(row).toEqual({ name })
  })
})

describe('createMissingLinks', () => {
  it('makes the links an install without scripts leaves out, and keeps the others', () => {
    const library = path.join(folder, 'native', 'lib')
    fs.mkdirSync(library, { recursive: true })
    fs.writeFileSync(path.join(library, 'libx.so.1.2'), 'library')
    const links = ['libx.so', 'libx.so.1'].map((name) => ({
      source: 'native/lib/libx.so.1.2',
      target: `native/lib/${name}`,
    }))
    fs.writeFileSync(path.join(folder, 'native', 'pg-symlinks.json'), JSON.stringify(links))
    fs.symlinkSync('libx.so.1.2', path.join(library, 'libx.so'))
    expect(createMissingLinks(folder)).toBe(1)
    expect(fs.readFileSync(path.join(library, 'libx.so.1'), 'utf8')).toBe('library')
    expect(createMissingLinks(folder)).toBe(0)
  })
})

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows
  } finally {
    await client.end()
  }
}

function pidOf(postgres: Postgres): number {
  if (postgres.pid === undefined) throw new Error('no pid')
  return postgres.pid
}

/** A process of its own that starts the server and then waits to be killed. */
async function spawnParent() {
  const script = `
    const { startPostgres } = await import(${JSON.stringify(pathToFileURL(POSTGRES_MODULE).href)})
    const postgres = await startPostgres({ dataDir: ${JSON.stringify(dataDir)}, throwaway: true, log() {} })
    process.stdout.write(JSON.stringify({ url: postgres.url, pid: postgres.pid }) + '\\n')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    cwd: REPOSITORY,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
  const started: unknown = JSON.parse(chunk.toString())
  return { child, ...(started as { url: string; pid: number }) }
}
