/**
 * A world with a shop: an MCP server with two tools and a database with accounts, as systems that automations read and
 * write. What a run left behind is shown as one plain value, with its receipts verified, so that a test can say all of
 * it at once.
 */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { expect, inject, vi } from 'vitest'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { verifyReceipts } from '../../lib/receipts.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import type { Statement } from '../../schemas/receipt.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { ApiError, receiptsOf, type Client as ApiClient } from '../../sdk/client/index.ts'
import { apply } from './apply.ts'
import { automation, connections, policyFor, SHOP_SQL, testTools } from './automations.ts'
import {
  startTestMcpServer,
  type TestCall,
  type TestMcpServer,
  type TestMcpServerOptions,
} from './mcp-server.ts'
import { eventually, startWorld, type World, type WorldOptions } from './world.ts'

const RECEIPTS_SQL = new URL('../../sdk/target/countersign_receipts.sql', import.meta.url)

export type Person = ApiClient & { apiKey: string }

export interface StartedRun {
  runId: string
  workflowId: string
  account: string
}

/** What is left of a run. */
export interface Ending {
  state: string
  code: string | null
  message: string
  result: JsonValue
  writebacks: string[]
  approvals: string[]
  /** Such as `approve by lena@acme.example` and `outcome applied`, in their order. */
  receipts: string[]
  balance: number
  /** How often the account was written. */
  changes: number
  /** How often the writing tool was called. */
  notes: number
}

export interface Scenario {
  world: World
  server: TestMcpServer
  shop: pg.Pool
  /** Of the worker in this process, which sees changes at once. */
  secrets: Record<string, string>
  /** Starts the runs; has no role. */
  clerk: Person
  lena: Person
  max: Person
  apply(...manifests: JsonObject[]): Promise<void>
  /** Saves an automation, with a policy for its writes. */
  define(name: string, steps: JsonObject[], effect: JsonObject): Promise<void>
  /** On a fresh account with 100. */
  start(
    name: string,
    options?: { by?: ApiClient; onBehalfOf?: string[]; balance?: number },
  ): Promise<StartedRun>
  /** A run, and the approval that it waits for. */
  park(
    name: string,
    options?: Parameters<Scenario['start']>[1],
  ): Promise<StartedRun & { approval: ApprovalView }>
  approvalOf(run: StartedRun): Promise<ApprovalView>
  look(run: StartedRun): Promise<Ending>
  /** Waits until the run has left exactly this behind. */
  expectEnding(run: StartedRun, expected: Partial<Ending>): Promise<Ending>
  /** Verified, in their order. */
  statements(run: StartedRun): Promise<Statement[]>
  notes(run: StartedRun): TestCall[]
  close(): Promise<void>
}

export interface ScenarioOptions extends WorldOptions {
  /** Puts something between a worker and the database or the server. */
  through?: { shop?: (url: string) => string; tools?: (url: string) => string }
  /** May answer a message to the server itself. */
  intercept?: TestMcpServerOptions['intercept']
  /** Runs when the server listens, and before anything knows its address. */
  beforeStart?: (addresses: { toolsUrl: string }) => Promise<void>
  /** Runs before manifests are applied, which needs a worker. */
  beforeApply?: (world: World) => Promise<void>
}

let count = 0

export async function startScenario(options: ScenarioOptions = {}): Promise<Scenario> {
  const shopUrl = await ensureDatabase(
    inject('databaseUrl'),
    `shop_${process.pid}_${Date.now().toString(36)}_${count++}`,
  )
  const shop = new pg.Pool({ connectionString: shopUrl })
  await shop.query(await readFile(RECEIPTS_SQL, 'utf8'))
  await shop.query(SHOP_SQL)
  const server = await startTestMcpServer({
    tools: testTools(),
    ...(options.intercept ? { intercept: options.intercept } : {}),
  })
  await options.beforeStart?.({ toolsUrl: server.url })
  const SHOP_DATABASE_URL = options.through?.shop?.(shopUrl) ?? shopUrl
  const secrets: Record<string, string> = { SHOP_DATABASE_URL, ...options.secrets }
  const world = await startWorld({ ...options, secrets })
  await options.beforeApply?.(world)
  const toolsUrl = options.through?.tools?.(server.url) ?? server.url
  await apply(world.admin, ...connections({ toolsUrl }))
  const parts: Parts = {
    world,
    server,
    shop,
    secrets,
    clerk: await world.as('carl@acme.example', []),
    lena: await world.as('lena@acme.example', ['lead']),
    max: await world.as('max@acme.example', ['lead']),
  }
  return {
    ...parts,
    apply: (...manifests) => apply(world.admin, ...manifests),
    define: (name, steps, effect) => apply(world.admin, policyFor(name, effect), automation(name, steps)),
    start: (name, how) => start(parts, name, how),
    park: async (name, how) => {
      const run = await start(parts, name, how)
      return { ...run, approval: await waitingApproval(parts, run) }
    },
    approvalOf: (run) => waitingApproval(parts, run),
    look: (run) => look(parts, run),
    expectEnding: (run, expected) => expectEnding(parts, run, expected),
    statements: async (run) => verified(parts, run),
    notes: (run) => notesOf(parts, run),
    close: async () => {
      await world.close()
      await Promise.all([server.close(), shop.end()])
    },
  }
}

type Parts = Pick<Scenario, 'world' | 'server' | 'shop' | 'secrets' | 'clerk' | 'lena' | 'max'>

async function start(
  { clerk, shop }: Parts,
  name: string,
  options: { by?: ApiClient; onBehalfOf?: string[]; balance?: number } = {},
): Promise<StartedRun> {
  const account = `account-${count++}`
  await shop.query('insert into accounts (id) values ($1)', [account])
  const input = { account, balance: options.balance ?? 7 }
  const started = await (options.by ?? clerk).startRun({
    name,
    input,
    on_behalf_of: options.onBehalfOf ?? [],
  })
  return { runId: started.run_id, workflowId: started.temporal_workflow_id, account }
}

function waitingApproval({ world }: Parts, { runId }: StartedRun): Promise<ApprovalView> {
  return eventually(async () => (await world.admin.listApprovals({ run_id: runId })).items[0])
}

async function look(parts: Parts, run: StartedRun): Promise<Ending> {
  const shown = await parts.world.admin.getRun({ run_id: run.runId })
  const { rows } = await parts.shop.query<{ balance: number; changes: number }>(
    'select balance, (select count(*)::integer from changes where account = id) as changes from accounts where id = $1',
    [run.account],
  )
  const statements = await verified(parts, run)
  return {
    state: shown.state,
    code: shown.failure?.code ?? null,
    message: shown.failure?.message ?? '',
    result: shown.result as JsonValue,
    writebacks: shown.writebacks.map(({ state }) => state),
    approvals: shown.approvals.map(({ state }) => state),
    receipts: statements.map(receiptText),
    balance: rows[0]?.balance ?? Number.NaN,
    changes: rows[0]?.changes ?? Number.NaN,
    notes: notesOf(parts, run).length,
  }
}

async function verified({ world }: Parts, { runId }: StartedRun): Promise<Statement[]> {
  const { receipts, head } = await receiptsOf(world.admin, runId)
  const keys = loadTrustedKeys(publicKeysFile(world.keysFolder))
  const envelopes = receipts.map(({ envelope }) => envelope)
  const { statements, problems } = verifyReceipts(envelopes, keys, head ?? { seq: 0, sha256: null })
  expect(problems).toEqual([])
  return statements
}

function receiptText({ predicateType, predicate }: Statement): string {
  const by = `by ${String(predicate['principal'])}`
  if (predicateType.includes(':decision:')) return `${String(predicate['verdict'])} ${by}`
  if (predicateType.includes(':resolution:')) return `resolved ${String(predicate['status'])} ${by}`
  return `outcome ${String(predicate['status'])}`
}

function notesOf({ server }: Parts, { account }: StartedRun): TestCall[] {
  return server.calls.filter(
    ({ tool, arguments: args }) => tool.startsWith('note') && args['about'] === account,
  )
}

async function expectEnding(parts: Parts, run: StartedRun, expected: Partial<Ending>): Promise<Ending> {
  return vi.waitFor(
    async () => {
      const ending = await look(parts, run)
      expect(ending).toMatchObject(expected)
      return ending
    },
    { timeout: 30_000, interval: 100 },
  )
}

/** `409 SELF_APPROVAL` for what the API refused. */
export async function refusal(asked: Promise<unknown>): Promise<string> {
  try {
    return `not refused: ${JSON.stringify(await asked)}`
  } catch (error) {
    if (error instanceof ApiError) return `${error.status} ${error.code}`
    throw error
  }
}

/** What is sent with a decision about this approval. */
export function about({ approval_id, digest }: ApprovalView): { approval_id: string; digest: string } {
  return { approval_id, digest }
}
