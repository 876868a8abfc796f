/**
 * API and worker as on two machines: each has its own private key and the public ones alone, and Temporal is reached
 * over TLS, by a name that is not its address, by those who have a certificate.
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest'
import { ensureKeys } from '../../lib/keys.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { freePort } from '../api/ports.ts'
import { makeCertificate, type Certificate } from '../support/certificates.ts'
import { startApiProcess, startProgram } from '../support/processes.ts'
import { eventually } from '../support/world.ts'
import { programFile } from '../support/package.ts'

// Programs start slowly on a machine that has other things to do.
vi.setConfig({ testTimeout: 180_000 })

const folder = mkdtempSync(join(tmpdir(), 'countersign-apart-'))
const SERVER_NAME = 'temporal.example.org'
let door: Server
let environment: Record<string, string>

function fileOf(name: string, content: string): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

/** Ends TLS in front of Temporal, and lets nobody in without the client's certificate. */
async function openDoor(server: Certificate, authority: Certificate): Promise<Server> {
  const [host = '', port] = inject('temporalAddress').split(':')
  // Temporal speaks HTTP/2, which is agreed upon within TLS.
  const requirements = { requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['h2'] }
  const listening = createServer({ ...server, ca: authority.cert, ...requirements }, (socket: TLSSocket) => {
    const upstream = createConnection({ host, port: Number(port) })
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      one.on('error', () => undefined).on('close', () => other.destroy())
      one.pipe(other)
    }
  })
  await once(listening.listen(0, '127.0.0.1'), 'listening')
  return listening
}

function keysOf(owner: 'api' | 'worker', privateKey: string): string {
  const own = join(folder, owner)
  mkdirSync(own)
  for (const name of [privateKey, 'public.json']) copyFileSync(join(folder, 'keys', name), join(own, name))
  return own
}

beforeAll(async () => {
  const authority = makeCertificate('authority.example.org')
  const client = makeCertificate('client.example.org', authority)
  door = await openDoor(makeCertificate(SERVER_NAME, authority), authority)
  ensureKeys(join(folder, 'keys'))
  environment = {
    PATH: process.env['PATH'] ?? '',
    TZ: 'UTC',
    DATABASE_URL: await ensureDatabase(inject('databaseUrl'), `apart_${randomBytes(6).toString('hex')}`),
    TEMPORAL_ADDRESS: `127.0.0.1:${(door.address() as AddressInfo).port}`,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: fileOf('authority.pem', authority.cert),
    TEMPORAL_TLS_SERVER_NAME: SERVER_NAME,
    TEMPORAL_TLS_CLIENT_CERT_PATH: fileOf('client.pem', client.cert),
    TEMPORAL_TLS_CLIENT_KEY_PATH: fileOf('client.key.pem', client.key),
    COUNTERSIGN_TASK_QUEUE: `apart-${randomBytes(6).toString('hex')}`,
  }
})
afterAll(() => {
  door.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Throws with what the health check of the image says, if it says so. */
async function isHealthy(): Promise<boolean> {
  await promisify(execFile)(process.execPath, [programFile('docker/worker-health')], { env: environment })
  return true
}

it('the API serves with its own key, and reaches Temporal over TLS', async () => {
  const keys = { COUNTERSIGN_KEYS_DIR: keysOf('api', 'decision.key.pem') }
  const api = await startApiProcess({ ...environment, ...keys }, await freePort())
  try {
    await eventually(async () => {
      expect(await (await fetch(`${api.url}/readyz`)).json()).toMatchObject({ temporal: true })
      return true
    })
  } finally {
    expect(await api.stop()).toBe(0)
  }
})

it('the worker starts with its own key, reaches Temporal over TLS, and is then healthy to Docker', async () => {
  const keys = { COUNTERSIGN_KEYS_DIR: keysOf('worker', 'receipt.key.pem') }
  await expect(isHealthy()).rejects.toThrow('has asked for work')
  const worker = startProgram('workers/main', { ...environment, ...keys })
  try {
    await worker.says('worker started')
    expect(await eventually(isHealthy)).toBe(true)
  } finally {
    expect(await worker.stop()).toBe(0)
  }
})

it('without its certificate the worker waits, and says for what', async () => {
  const without = { TEMPORAL_TLS_CLIENT_CERT_PATH: '', TEMPORAL_TLS_CLIENT_KEY_PATH: '' }
  const keys = { COUNTERSIGN_KEYS_DIR: join(folder, 'keys') }
  const worker = startProgram('workers/main', { ...environment, ...without, ...keys })
  try {
    await worker.says('waiting for Temporal: ')
  } finally {
    expect(await worker.stop()).toBe(0)
  }
})
