/**
 * The plugin in somebody else's worker: with workflows and activities of his own, a bundle that the worker makes itself,
 * and a namespace that knows nothing of our search attributes.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createSecretResolver } from '../../activities/secrets.ts'
import { buildApp } from '../../api/app.ts'
import { createInspectTools } from '../../api/inspect-tools.ts'
import { createTemporalAccess, type Log } from '../../api/temporal.ts'
import { createDataConverter } from '../../codec/data-converter.ts'
import { createPayloads } from '../../codec/payloads.ts'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { createClient, type Client as ApiClient } from '../../sdk/client/index.ts'
import { countersign } from '../../workers/plugin.ts'
import { approve, startAttackWorld, waitForApproval, type AttackWorld } from '../support/attack-world.ts'
import { eventually } from '../support/world.ts'

const NAMESPACE = `foreign-${process.pid}-${Date.now().toString(36)}`
const TASK_QUEUE = 'somebody-else'

let attack: AttackWorld
let temporal: Client
let admin: ApiClient
let lead: ApiClient
const warnings: string[] = []
const closers: (() => Promise<unknown>)[] = []

beforeAll(async () => {
  attack = await startAttackWorld()
  closers.push(() => attack.close())
  const connection = await Connection.connect({ address: inject('temporalAddress') })
  closers.push(() => connection.close())
  await registerNamespace(connection)
  const dataConverter = createDataConverter({ database: attack.world.database })
  temporal = new Client({ connection, namespace: NAMESPACE, dataConverter })
  await startApi(connection)
  await startForeignWorker()
})

afterAll(async () => {
  for (const close of closers.reverse()) await close()
})

test('a run goes end to end beside the workflows of the worker', async () => {
  expect(await temporal.workflow.execute('greetingWorkflow', { ...ids('greeting'), args: ['Greta'] })).toBe(
    'Hello, Greta',
  )
  for (const account of ['first', 'second']) {
    await attack.books.query('insert into accounts (id, tenant, amount) values ($1, $2, 100)', [
      account,
      'acme',
    ])
    const started = await admin.startRun({ name: 'adjust', input: { account, amount: 3 } })
    await approve(lead, await waitForApproval(lead, started.run_id))
    const run = await eventually(async () => {
      const found = await admin.getRun({ run_id: started.run_id })
      return found.state === 'completed' && found
    })
    expect(run.receipts).toHaveLength(2)
    expect(await attack.amountOf({ account })).toBe(3)
    const described = await temporal.workflow.getHandle(started.temporal_workflow_id).describe()
    expect(described.taskQueue).toBe(TASK_QUEUE)
    const names = described.typedSearchAttributes.getAll().map(({ key }) => key.name)
    expect(names.filter((name) => name.startsWith('Countersign'))).toEqual([])
  }
  expect(warnings.filter((text) => text.includes('search attributes'))).toHaveLength(1)
})

test('a decision that is sent to the run itself reaches its approval there too', async () => {
  await attack.books.query(`insert into accounts (id, tenant, amount) values ('third', 'acme', 100)`)
  const started = await admin.startRun({ name: 'adjust', input: { account: 'third', amount: 3 } })
  const approval = await waitForApproval(lead, started.run_id)
  const { input } = await lead.createTicket({
    approval_id: approval.approval_id,
    verdict: 'approve',
    digest: approval.digest,
  })
  await temporal.workflow.getHandle(started.temporal_workflow_id).signal('approve', input)
  await eventually(async () => (await admin.getRun({ run_id: started.run_id })).state === 'completed')
  expect(await attack.amountOf({ account: 'third' })).toBe(3)
})

/** With the controls above this says that the plugin is all there is to our worker. */
test('our own worker is assembled by the plugin and nothing else', () => {
  const source = readFileSync(fileURLToPath(new URL('../../workers/main.ts', import.meta.url)), 'utf8')
  const created = /Worker\.create\(\{([\s\S]*?)\n {2}\}\)/.exec(source)?.[1] ?? ''
  const options = [...created.matchAll(/^ {4}(\w+)[:,]/gm)].map(([, name]) => name)
  expect(options).toEqual(['connection', 'namespace', 'taskQueue', 'plugins'])
  expect(created).toMatch(/plugins: \[\s*countersign\(/)
  expect(source).not.toMatch(/from '\.\.\/workflows|from '\.\.\/activities\/index/)
})

const ids = (name: string) => ({ workflowId: `${name}-${NAMESPACE}`, taskQueue: TASK_QUEUE })

/** Namespaces are cached by the server, so a new one takes a while until it can be used. */
async function registerNamespace(connection: Connection): Promise<void> {
  await connection.workflowService.registerNamespace({
    namespace: NAMESPACE,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  })
  const client = new Client({ connection, namespace: NAMESPACE })
  await eventually(async () => {
    for await (const _execution of client.workflow.list()) break
    await client.workflow.count()
    return true
  }, 60_000)
}

async function startApi(connection: Connection): Promise<void> {
  const { world } = attack
  const log: Log = {
    info: () => undefined,
    warn: (_fields, message) => void warnings.push(message),
    error: (_fields, message) => void warnings.push(message),
  }
  const access = createTemporalAccess({
    client: temporal,
    connection,
    namespace: NAMESPACE,
    taskQueue: TASK_QUEUE,
    uiUrl: inject('temporalUiUrl'),
    logger: log,
  })
  const app = await buildApp({
    database: world.database,
    temporal: access,
    signingKey: loadSigningKey(world.keysFolder, 'decision'),
    trustedKeys: loadTrustedKeys(publicKeysFile(world.keysFolder)),
    inspectTools: createInspectTools(access),
    payloads: createPayloads({ database: world.database }),
    logger: pino({ level: 'silent' }),
  })
  const baseUrl = await app.listen({ host: '127.0.0.1', port: 0 })
  closers.push(() => app.close())
  admin = createClient({ baseUrl, apiKey: world.adminKey })
  lead = createClient({ baseUrl, apiKey: attack.lead.apiKey })
}

async function startForeignWorker(): Promise<void> {
  const { world } = attack
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') })
  const worker = await Worker.create({
    connection,
    namespace: NAMESPACE,
    taskQueue: TASK_QUEUE,
    workflowsPath: fileURLToPath(new URL('../fixtures/foreign-workflows.ts', import.meta.url)),
    activities: { greet: async (name: string) => `Hello, ${name}` },
    shutdownGraceTime: '2s',
    plugins: [
      countersign({
        database: world.database,
        signingKey: loadSigningKey(world.keysFolder, 'receipt'),
        trust: { keys: loadTrustedKeys(publicKeysFile(world.keysFolder)), identity: 'verified' },
        resolveSecret: createSecretResolver({ environment: { BOOKS_URL: attack.booksUrl } }),
        allowedHosts: parseAllowedHosts('127.0.0.1'),
        commandsFile: `${world.folder}/commands.json`,
      }),
    ],
  })
  // What the worker says itself stands; the rest is the plugin's.
  expect(worker.options).toMatchObject({ shutdownGraceTime: '2s', maxCachedWorkflows: 500 })
  const running = worker.run()
  closers.push(async () => {
    worker.shutdown()
    await running
    await connection.close()
  })
}
