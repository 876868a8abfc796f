import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { ensureKeys } from '../../lib/keys.ts'
import { createClient } from '../../sdk/client/index.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { freePort } from './ports.ts'
import { programFile } from '../support/package.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'countersign-api-process-'))
const children: ChildProcess[] = []
beforeEach(() => ensureKeys(path.join(folder, 'keys')))
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

function startApi(environment: Record<string, string>) {
  const child = spawn(process.execPath, [programFile('api/main')], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
  return { child, exited, output: () => output }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await condition()) return
    await sleep(100)
  }
  throw new Error('it did not come to pass')
}

describe('the API as a process', () => {
  it('serves with the first key of an organization, and stops when asked to', async () => {
    const databaseUrl = await ensureDatabase(inject('databaseUrl'), `api_${randomBytes(6).toString('hex')}`)
    const environment = {
      DATABASE_URL: databaseUrl,
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      COUNTERSIGN_KEYS_DIR: path.join(folder, 'keys'),
      PORT: String(await freePort()),
    }
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [programFile('api/bootstrap'), '--organization', 'acme', '--admin', 'ops@example.org'],
      { env: { PATH: process.env['PATH'], ...environment } },
    )
    expect(stdout).toMatch(/^cs_[A-Za-z0-9_-]{43}\n$/)
    const baseUrl = `http://127.0.0.1:${environment.PORT}`
    const api = startApi(environment)
    await until(() => answers(`${baseUrl}/readyz`))
    const client = createClient({ baseUrl, apiKey: stdout.trim() })
    expect((await client.listKeys()).items).toMatchObject([{ principal: 'ops@example.org' }])
    api.child.kill('SIGTERM')
    expect(await api.exited).toBe(0)
    expect(api.output()).toContain('stopped')
    expect(api.output()).not.toContain(stdout.trim())
  })

  it('says that it waits for PostgreSQL, and can be stopped meanwhile', async () => {
    const api = startApi({
      DATABASE_URL: `postgres://nobody@127.0.0.1:${await freePort()}/none`,
      COUNTERSIGN_KEYS_DIR: path.join(folder, 'keys'),
      PORT: String(await freePort()),
    })
    await until(() => api.output().includes('waiting for PostgreSQL'))
    api.child.kill('SIGINT')
    expect(await api.exited).toBe(0)
  })
})
