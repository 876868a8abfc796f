/**
 * The attacker reads what many may read: histories in the Temporal UI, the API, backups of the database, logs. The
 * secrets planted here must be in none of them, neither when all goes well nor in what a failing server says of them.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import type { ApiError } from '../../sdk/client/index.ts'
import { startTestMcpServer, textResult, type TestMcpServer } from '../support/mcp-server.ts'
import {
  approve,
  finished,
  startAttackWorld,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'
import { formsOf, historiesOf, tableTexts } from '../support/evidence.ts'
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts'

const TOKEN = `tok-${randomBytes(12).toString('hex')}`
const PASSWORD = `pwd-${randomBytes(12).toString('hex')}`
/** As it is when somebody has put a file's content with its line end into the environment, and something else. */
const BROKEN_TOKEN = `brk-${randomBytes(12).toString('hex')}\nsecond line`

let attack: AttackWorld
let server: TestMcpServer
let worker: WorkerProcess
let authorizations: (string | undefined)[]

beforeAll(async () => {
  authorizations = []
  server = await startTestMcpServer({
    tools: [
      {
        name: 'look',
        inputSchema: { type: 'object' },
        annotations: { readOnlyHint: true },
        run: () => textResult('seen'),
      },
      {
        name: 'refuse',
        inputSchema: { type: 'object' },
        annotations: { readOnlyHint: true },
        run: () => ({ ...textResult('no'), isError: true }),
      },
    ],
    intercept(_message, _response, request) {
      authorizations.push(request.headers.authorization)
      return false
    },
  })
  attack = await startAttackWorld({
    worker: false,
    secrets: { BANK_TOKEN: TOKEN, BROKEN_TOKEN, ...leakyUrls() },
  })
  worker = await startWorkerProcess(attack.world)
  await attack.world.admin.applyManifests({ manifests: manifests(server.url) })
})

afterAll(async () => {
  await worker.stop()
  await attack.close()
  await server.close()
})

test('secrets are used, and are in no history, row, answer or line of the log', async () => {
  const { world, lead } = attack
  const runIds: string[] = []
  const run = async (name: string) => {
    const started = await world.admin.startRun({ name })
    runIds.push(started.run_id)
    return started.run_id
  }
  const parked = await attack.park()
  runIds.push(parked.runId)
  await approve(lead, parked.approval)
  expect((await finished(world, parked.runId)).state).toBe('completed')
  expect((await finished(world, await run('look'))).state).toBe('completed')
  expect((await finished(world, await run('refuse'))).failure?.code).toBe('TOOL_FAILED')
  // These go on by themselves, so they are looked at while they wait.
  const waiting: [string, string][] = []
  for (const name of LEAKS) waiting.push([name, await troubleOf(await run(name))])

  // A header that cannot be sent shows when an automation is saved: the server is asked for its tools.
  const saved = world.admin.applyManifests({ manifests: broken(server.url) })
  waiting.push([
    'broken',
    JSON.stringify(await saved.catch((error: ApiError) => ({ message: error.message }))),
  ])

  // The secrets were really used, so finding none of them means something.
  expect(authorizations).toContain(`Bearer ${TOKEN}`)
  for (const [, text] of waiting) expect(text).toMatch(/"message":".+"/)

  await keepHouse()
  const places: [string, string][] = [
    ['log of the worker', worker.output()],
    ['log of the API', world.apiLog()],
    ...(await tableTexts(world.database)),
    ...(await historiesOf(world, STARTS_OF_IDS)),
    ...waiting,
  ]
  for (const runId of runIds) {
    places.push(['run', JSON.stringify(await world.admin.getRun({ run_id: runId }))])
    places.push(['receipts', JSON.stringify(await world.admin.listReceipts({ run_id: runId }))])
  }
  for (const kind of ['Connection', 'Automation', 'Policy'] as const) {
    places.push([kind, JSON.stringify(await world.admin.listManifests({ kind }))])
  }
  places.push(['bank', JSON.stringify(await world.admin.getManifest({ kind: 'Connection', name: 'bank' }))])
  expectReadToTheBottom(places, parked)
  const found = places.filter(([, text]) => secretForms().some((form) => text.includes(form)))
  const where = [...new Set(found.map(([place]) => place.replace(/\/[a-z]+_[0-9a-f]{32}.*/, '')))]
  expect(where, `secrets in: ${where.join(', ')}`).toEqual([])
  for (const runId of runIds) await world.admin.cancelRun({ run_id: runId }).catch(() => undefined)
})

/** Of all kinds of executions that a deployment has: one of each has run before the histories are read. */
const STARTS_OF_IDS = [
  'run/acme/',
  'writeback/acme/',
  'approval/acme/',
  'inspect/acme/bank/',
  'inspect/acme/broken/',
  'house/reconcile',
  'house/retention',
]

/** What Schedules start otherwise, on the same task queue. */
async function keepHouse(): Promise<void> {
  const { temporal, taskQueue } = attack.world
  for (const kind of ['reconcile', 'retention'] as const) {
    await temporal.workflow.execute(WORKFLOW_TYPES[kind], {
      workflowId: `house/${kind}/${taskQueue}`,
      taskQueue,
      args: [],
    })
  }
}

/** What is no secret is found in each of them, so that finding no secret means something. */
function expectReadToTheBottom(places: readonly [string, string][], { account, runId }: Parked): void {
  const has = (start: string, text: string) =>
    places.some(([place, content]) => place.startsWith(start) && content.includes(text))
  expect(has('history of run/', account)).toBe(true)
  expect(has('history of writeback/', account)).toBe(true)
  expect(has('history of inspect/', '"refuse"')).toBe(true)
  expect(has('log of the worker', 'worker started')).toBe(true)
  expect(has('log of the API', '/v1/manifests')).toBe(true)
  expect(has('table', runId)).toBe(true)
  expect(has('receipts', 'signatures')).toBe(true)
}

function secretForms(): string[] {
  return [TOKEN, PASSWORD, BROKEN_TOKEN.split('\n', 1)[0] ?? '', attack.booksSecret].flatMap(formsOf)
}

/** What Temporal shows of the trouble that a run is in: its failure, or that of an attempt that will be repeated. */
async function troubleOf(runId: string): Promise<string> {
  const { temporal } = attack.world
  return eventually(async () => {
    const { temporal_workflow_id, failure } = await attack.world.admin.getRun({ run_id: runId })
    if (failure) return JSON.stringify(failure)
    const { raw } = await temporal.workflow.getHandle(temporal_workflow_id).describe()
    const children = (raw.pendingChildren ?? []).map(({ workflowId }) => workflowId ?? '')
    const below = await Promise.all(children.map((id) => temporal.workflow.getHandle(id).describe()))
    const pending = [raw, ...below.map((described) => described.raw)].flatMap(
      (one) => one.pendingActivities ?? [],
    )
    return pending.some(({ lastFailure }) => lastFailure) && JSON.stringify(pending)
  })
}

const LEAKS = ['refused', 'password', 'malformed'] as const

/** Each makes the driver complain in another way. */
function leakyUrls(): Record<string, string> {
  const { host } = new URL(inject('databaseUrl'))
  return {
    URL_REFUSED: `postgres://nobody:${PASSWORD}@127.0.0.1:1/nowhere`,
    URL_PASSWORD: `postgres://nobody:${PASSWORD}@${host}/nowhere`,
    URL_MALFORMED: `postgres://nobody:${PASSWORD}@[127.0.0.1:no port/nowhere`,
  }
}

function manifests(url: string): Record<string, unknown>[] {
  const call = (name: string, tool = name) => ({
    kind: 'Automation',
    name,
    spec: { steps: [{ name, tool_call: { connection: name === tool ? 'bank' : name, tool } }] },
  })
  const http = { type: 'mcp', transport: 'http', url, allow_private_addresses: true, trusted: true }
  return [
    {
      kind: 'Connection',
      name: 'bank',
      spec: { ...http, headers: { authorization: 'Bearer ${secret:BANK_TOKEN}' } },
    },
    ...LEAKS.flatMap(leak),
    call('look'),
    call('refuse'),
  ]
}

function broken(url: string): Record<string, unknown>[] {
  const headers = { authorization: 'Bearer ${secret:BROKEN_TOKEN}' }
  const http = { type: 'mcp', transport: 'http', url, allow_private_addresses: true, trusted: true, headers }
  return [
    { kind: 'Connection', name: 'broken', spec: http },
    {
      kind: 'Automation',
      name: 'broken',
      spec: { steps: [{ name: 'look', tool_call: { connection: 'broken', tool: 'look' } }] },
    },
  ]
}

function leak(name: string): Record<string, unknown>[] {
  const update = { table: 'accounts', key: { id: 'x' }, set: { amount: 1 } }
  return [
    {
      kind: 'Connection',
      name,
      spec: {
        type: 'postgres',
        url: `\${secret:URL_${name.toUpperCase()}}`,
        tables: { accounts: { primary_key: ['id'], writable: ['amount'] } },
      },
    },
    { kind: 'Automation', name, spec: { steps: [{ name, writeback: { connection: name, update } }] } },
  ]
}
