/** A tenant writes connections that lead where the operator never meant the worker to go. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts'
import { eventually, startWorld, type World } from '../support/world.ts'

const ORGANIZATION_SECRET = 'bound-to-another-host'
const WORKERS_PASSWORD = 'password-of-the-worker-itself'
const WORKERS_OPTIONS = 'options_of_the_worker'

let world: World
let worker: WorkerProcess
/** Of the operator's network; nobody has allowed it. It takes anything that connects, and answers nothing. */
let internal: Server
let reached = 0
/** The tenant's own, which the operator allows; they note what they are sent. */
let database: Server
let tools: HttpServer
let told = ''

beforeAll(async () => {
  internal = createServer((socket) => {
    reached += 1
    socket.on('error', () => undefined).end()
  })
  database = createServer((socket) => {
    socket.on('error', () => undefined)
    // Asks for the password in clear text.
    socket.once('data', () => socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])))
    socket.on('data', (bytes) => (told += bytes.toString('latin1')))
  })
  tools = createHttpServer((request, response) => {
    told += JSON.stringify(request.headers)
    response.writeHead(500).end()
  })
  await Promise.all([internal, database, tools].map(listen))
  const allowed = [new URL(inject('databaseUrl')).port, portOf(database), portOf(tools)]
  world = await startWorld({
    worker: false,
    allowedHosts: allowed.map((port) => `127.0.0.1:${port}`).join(','),
  })
  const fifo = `${world.folder}/fifo`
  execFileSync('mkfifo', [fifo])
  const secrets = {
    FIFO: `postgres://app:pw@127.0.0.1:${portOf(database)}/x?sslrootcert=${fifo}`,
    ELSEWHERE: { value: ORGANIZATION_SECRET, hosts: [`127.0.0.1:${portOf(database)}`] },
  }
  const secretsFile = `${world.folder}/secrets.json`
  writeFileSync(secretsFile, JSON.stringify({ organizations: { acme: secrets } }))
  worker = await startWorkerProcess(world, {
    COUNTERSIGN_SECRETS_FILE: secretsFile,
    PGPASSWORD: WORKERS_PASSWORD,
    PGOPTIONS: `-c a.${WORKERS_OPTIONS}=1`,
  })
})
afterAll(async () => {
  await worker.stop()
  for (const server of [internal, database, tools]) server.close()
  await world.close()
})

test('a file that an address names is not opened, and the worker goes on', async () => {
  const trouble = writeThrough('fifo', '${secret:FIFO}')
  const healthy = trouble.then(async () => {
    const { run_id } = await startOf('code', [{ name: 'one', code: { source: 'export default () => 1' } }])
    return stateOf(run_id)
  })
  expect(await within(30_000, healthy, 'the worker stands still')).toBe('completed')
  expect(await trouble).toContain('ADDRESS_NOT_ALLOWED')
})

test('what the environment has for the database of the worker is told to no other one', async () => {
  told = ''
  await writeThrough('curious', `postgres://app@127.0.0.1:${portOf(database)}/x`)
  const heard = [WORKERS_PASSWORD, WORKERS_OPTIONS].filter((text) => told.includes(text))
  expect(heard, `the database was told: ${heard.join(', ')}`).toEqual([])
  expect(told).toContain('countersign')
})

test('a private address is not reached on the word of the tenant alone', async () => {
  reached = 0
  const trouble = await callThrough('inside', `http://127.0.0.1:${portOf(internal)}/mcp`, {})
  expect(reached, 'the network of the operator was reached').toBe(0)
  expect(trouble).toContain('ADDRESS_NOT_ALLOWED')
})

test('a private address is not reached as a database either', async () => {
  reached = 0
  for (const host of ['127.0.0.1', 'localhost']) {
    const name = host === 'localhost' ? 'by-name' : 'by-address'
    const trouble = await writeThrough(name, `postgres://app@${host}:${portOf(internal)}/x`)
    expect(reached, 'the network of the operator was reached').toBe(0)
    expect(trouble).toContain('ADDRESS_NOT_ALLOWED')
  }
})

test('a secret goes to no host that it is not bound to', async () => {
  told = ''
  const headers = { authorization: 'Bearer ${secret:ELSEWHERE}' }
  const trouble = await callThrough('greedy', `http://127.0.0.1:${portOf(tools)}/mcp`, headers)
  expect(told.includes(ORGANIZATION_SECRET), 'the secret was sent to another host').toBe(false)
  expect(trouble).toContain('SECRET_NOT_ALLOWED')
})

/** What Temporal shows of the trouble that a write through such a database is in. */
async function writeThrough(name: string, url: string): Promise<string> {
  const tables = { accounts: { primary_key: ['id'], writable: ['amount'] } }
  await apply({ kind: 'Connection', name, spec: { type: 'postgres', url, tables } })
  const update = { table: 'accounts', key: { id: 'x' }, set: { amount: 1 } }
  const { run_id } = await startOf(`write-${name}`, [
    { name: 'write', writeback: { connection: name, update } },
  ])
  return troubleOf(run_id)
}

/** Saving an automation that calls it asks the server. */
async function callThrough(name: string, url: string, headers: Record<string, string>): Promise<string> {
  const spec = { type: 'mcp', transport: 'http', url, headers, allow_private_addresses: true, trusted: true }
  await apply({ kind: 'Connection', name, spec })
  const steps = [{ name: 'call', tool_call: { connection: name, tool: 'anything' } }]
  return apply({ kind: 'Automation', name: `call-${name}`, spec: { steps } }).then(
    () => 'it was saved',
    (error: unknown) => JSON.stringify(error),
  )
}

async function startOf(name: string, steps: unknown[]): Promise<{ run_id: string }> {
  await apply({ kind: 'Automation', name, spec: { steps } })
  return world.admin.startRun({ name, input: {} })
}

function apply(manifest: Record<string, unknown>): Promise<unknown> {
  return world.admin.applyManifests({ manifests: [manifest] })
}

async function troubleOf(runId: string): Promise<string> {
  return eventually(async () => {
    const { temporal_workflow_id, failure } = await world.admin.getRun({ run_id: runId })
    if (failure) return JSON.stringify(failure)
    const { workflow } = world.temporal
    const { raw } = await workflow.getHandle(temporal_workflow_id).describe()
    const children = (raw.pendingChildren ?? []).map((child) => workflow.getHandle(child.workflowId ?? ''))
    const below = await Promise.all(children.map((child) => child.describe()))
    const pending = [raw, ...below.map((child) => child.raw)].flatMap((one) => one.pendingActivities ?? [])
    if (pending.some(({ lastFailure }) => lastFailure)) return JSON.stringify(pending)
    // It has the call, and says nothing any more.
    return pending.some(({ lastStartedTime }) => isOver(lastStartedTime)) && 'the call goes on and on'
  }, 40_000)
}

function isOver(startedTime: { seconds?: unknown } | null | undefined): boolean {
  return startedTime ? Date.now() - Number(startedTime.seconds) * 1_000 > 12_000 : false
}

async function stateOf(runId: string): Promise<string> {
  return eventually(async () => {
    const { state } = await world.admin.getRun({ run_id: runId })
    return state !== 'running' && state
  }, 25_000).catch(() => 'the worker stands still')
}

async function within<T>(limitMs: number, work: Promise<T>, otherwise: string): Promise<T | string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => (timer = setTimeout(() => resolve(otherwise), limitMs)))
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => void server.listen(0, '127.0.0.1', resolve))
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
