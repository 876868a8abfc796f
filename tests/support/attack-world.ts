/**
 * A deployment with one write that has to be approved, and an attacker's tools: raw signals, raw rows, workflows and a
 * worker of his own. `books` is a database of the customer; only a `lead` may let `adjust` change an account in it.
 */
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import pg from 'pg'
import { expect, inject } from 'vitest'
import { readFile } from 'node:fs/promises'
import { DECISION_PAYLOAD_TYPE, type Decision } from '../../schemas/decision.ts'
import type { Call, Envelope, WritebackInput, WriteOutcome } from '../../schemas/run.ts'
import { signEnvelope, type SigningKey } from '../../lib/dsse.ts'
import {
  approvalWorkflowId,
  MESSAGES,
  WORKFLOW_TYPES,
  writebackIdOf,
  writebackWorkflowId,
} from '../../schemas/names.ts'
import type { ApprovalView } from '../../schemas/operations/views.ts'
import { ensureDatabase } from '../../scripts/stack/postgres.ts'
import { ApiError, type Client as ApiClient } from '../../sdk/client/index.ts'
import { apply } from './apply.ts'
import { eventually, startWorld, type World, type WorldOptions } from './world.ts'

export const AUTOMATION = 'adjust'
/** The same, whose runs leave their write out. */
export const LATE = 'late'
export const CONNECTION = 'books'
const RECEIPTS_SQL = new URL('../../sdk/target/countersign_receipts.sql', import.meta.url)

export interface Parked {
  runId: string
  runWorkflowId: string
  deliveryId: string
  account: string
  approval: ApprovalView
  /** A workflow that may call the door for it, and whose own execution is over. */
  callerId?: string
}

/** A run that is over, and a write of it that it has left out: its call, and who may make it. */
export interface OldRun extends Omit<Parked, 'approval'> {
  call: Call
  callerId: string
}

export interface StartedHow {
  automation?: string
  by?: ApiClient
  onBehalfOf?: string[]
}

export interface AttackWorld {
  world: World
  books: pg.Pool
  booksUrl: string
  /** A part of the address that writes are sent to, which no server refuses. */
  booksSecret: string
  /** May approve. */
  lead: ApiClient & { apiKey: string }
  /** May start runs, and has no role. */
  clerk: ApiClient & { apiKey: string }
  /** A fresh account with 100, and a run that waits for a lead to let it be set to `amount`. */
  park(amount?: number, how?: StartedHow): Promise<Parked>
  /** The same for a run that is over: somebody who can start workflows has started what it had left out. */
  parkLate(amount?: number): Promise<Parked & OldRun>
  oldRun(amount?: number): Promise<OldRun>
  amountOf(parked: Pick<Parked, 'account'>): Promise<number>
  close(): Promise<void>
}

export async function startAttackWorld(options: WorldOptions = {}): Promise<AttackWorld> {
  const booksUrl = await ensureDatabase(
    inject('databaseUrl'),
    `books_${process.pid}_${randomBytes(4).toString('hex')}`,
  )
  const books = new pg.Pool({ connectionString: booksUrl })
  await books.query(await readFile(RECEIPTS_SQL, 'utf8'))
  await books.query(BOOKS_SQL)
  const booksSecret = `app-${randomBytes(12).toString('hex')}`
  const address = new URL(booksUrl)
  const login = `app_${randomBytes(6).toString('hex')}`
  await books.query(`create role ${login} login password '${booksSecret}'`)
  await books.query(`grant select, insert, update on all tables in schema public to ${login}`)
  await books.query(
    `alter default privileges in schema public grant select, insert, update on tables to ${login}`,
  )
  Object.assign(address, { username: login, password: booksSecret })
  const secrets = { ...options.secrets, BOOKS_URL: address.href, BOOKS_AGAIN: address.href }
  const world = await startWorld({ ...options, secrets })
  await apply(world.admin, ...MANIFESTS)
  const lead = await world.as('lena@acme.example', ['lead'])
  const clerk = await world.as('carl@acme.example', [])
  let count = 0

  async function newAccount(): Promise<string> {
    const account = `account-${++count}`
    await books.query('insert into accounts (id, tenant, amount) values ($1, $2, 100)', [account, 'acme'])
    return account
  }

  async function oldRun(amount = 7): Promise<OldRun> {
    const account = await newAccount()
    const { run_id: runId, ...started } = await clerk.startRun({ name: LATE, input: { account, amount } })
    await finished(world, runId)
    const { temporal_workflow_id: runWorkflowId, delivery_id: deliveryId } = started
    const path = 'change'
    const writebackId = writebackIdOf({ runId, path, round: 1 })
    const call: Call = {
      organization: 'acme',
      connection: CONNECTION,
      operation: 'update',
      arguments: { table: 'accounts', key: { id: account }, guard: {}, set: { amount } },
      raisedToWrite: true,
      timeoutMs: 20_000,
      origin: { deliveryId, runId, automation: LATE, revision: 1, path, writebackId },
    }
    return { runId, runWorkflowId, deliveryId, account, call, callerId: runWorkflowId }
  }

  async function parkLate(amount?: number): Promise<Parked & OldRun> {
    const old = await oldRun(amount)
    const { writebackId } = old.call.origin
    await startWriteback(world, old.call)
    const approval = await eventually(async () =>
      (await lead.listApprovals({})).items.find((item) => item.writeback_id === writebackId),
    )
    return { ...old, approval }
  }

  async function park(amount = 7, how: StartedHow = {}): Promise<Parked> {
    const account = await newAccount()
    const started = await (how.by ?? clerk).startRun({
      name: how.automation ?? AUTOMATION,
      input: { account, amount },
      on_behalf_of: how.onBehalfOf ?? [],
    })
    const approval = await waitForApproval(lead, started.run_id)
    return {
      runId: started.run_id,
      runWorkflowId: started.temporal_workflow_id,
      deliveryId: started.delivery_id,
      account,
      approval,
    }
  }

  return {
    world,
    books,
    booksUrl,
    booksSecret,
    lead,
    clerk,
    park,
    parkLate,
    oldRun,
    async amountOf({ account }) {
      const { rows } = await books.query<{ amount: number }>('select amount from accounts where id = $1', [
        account,
      ])
      return rows[0]?.amount ?? Number.NaN
    },
    async close() {
      await world.close()
      await books.query(`drop owned by ${login}`)
      await books.query(`drop role ${login}`)
      await books.end()
    },
  }
}

/** Ours, started by hand. */
export function startWriteback(world: World, call: Call): Promise<WorkflowHandle> {
  const { organization, origin } = call
  const input: WritebackInput = { call, searchAttributes: false }
  return world.temporal.workflow.start(WORKFLOW_TYPES.writeback, {
    workflowId: writebackWorkflowId({ organization, writebackId: origin.writebackId }),
    taskQueue: world.taskQueue,
    args: [input],
  })
}

export async function waitForApproval(client: ApiClient, runId: string): Promise<ApprovalView> {
  const found = await eventually(async () => {
    const [approval] = (await client.listApprovals({ run_id: runId })).items
    if (approval) return approval
    const { state } = await client.getRun({ run_id: runId })
    return ENDED.includes(state) && state
  })
  if (typeof found !== 'string') return found
  return expect.fail(`nobody was asked: the run has ${found}`)
}

const ENDED = ['completed', 'failed', 'cancelled', 'terminated', 'timed_out']

/** The lead approves through the API, as people do: what every attack is held against. */
export async function approve(client: ApiClient, approval: ApprovalView): Promise<string> {
  const { state } = await client.decideApproval({
    approval_id: approval.approval_id,
    verdict: 'approve',
    digest: approval.digest,
  })
  return state
}

/** The lead approves; then the approval that the write waits for next, or how its run has ended. */
export async function askedAgain(
  { world, lead }: Pick<AttackWorld, 'world' | 'lead'>,
  { runId, approval }: Pick<Parked, 'runId' | 'approval'>,
): Promise<ApprovalView | string> {
  await approve(lead, approval)
  return eventually(async () => {
    const { items } = await lead.listApprovals({ run_id: runId, state: 'waiting' })
    const next = items.find(({ approval_id: id }) => id !== approval.approval_id)
    if (next) return next
    const { state, failure } = await world.admin.getRun({ run_id: runId })
    return ENDED.includes(state) && (failure?.code ?? state)
  }, 40_000)
}

export async function finished(world: World, runId: string) {
  await eventually(async () => {
    const { state } = await world.admin.getRun({ run_id: runId })
    return state !== 'running' && state !== 'waiting_for_approval'
  })
  // Once more: the rows of the answer above may have been read before the run ended.
  return world.admin.getRun({ run_id: runId })
}

/** The code of its failure; else its state, which says that the attack has succeeded. */
export async function endingOf(world: World, runId: string): Promise<string> {
  const { failure, state } = await finished(world, runId)
  return failure?.code ?? state
}

/** How a workflow of the attacker's ends; or that what it asks stands in the inbox, and so before people. */
export async function endingOfAsking(
  world: World,
  handle: WorkflowHandle,
  approvalId: string,
): Promise<string> {
  return eventually(async () => {
    const { items } = await world.admin.listApprovals({})
    if (items.some((item) => item.approval_id === approvalId)) return 'it stands in the inbox'
    const { status } = await handle.describe()
    return status.name !== 'RUNNING' && codeOf(handle.result())
  })
}

/** `BOOKS_AGAIN` leads to the same database, which a connection that names it does not say. */
export function booksConnection(secret: 'BOOKS_URL' | 'BOOKS_AGAIN'): Record<string, unknown> {
  const spec = {
    type: 'postgres',
    url: `\${secret:${secret}}`,
    scope: { column: 'tenant', value: 'acme' },
    tables: { accounts: { primary_key: ['id'], version: 'version', writable: ['amount', 'note'] } },
  }
  return { kind: 'Connection', name: CONNECTION, spec }
}

/** An automation like the other one, under another name and so perhaps under other rules. */
export function adjustment(name: string): Record<string, unknown> {
  const update = {
    table: 'accounts',
    key: { id: '${{ input.account }}' },
    set: { amount: '${{ input.amount }}' },
  }
  const change = { name: 'change', writeback: { connection: CONNECTION, update } }
  const steps = [name === LATE ? { ...change, if: 'input.amount < 0' } : change]
  return { kind: 'Automation', name, spec: { steps } }
}

/** What Temporal lets anybody do who can write to the namespace. */
export async function signal(world: World, approval: ApprovalView, message: unknown): Promise<void> {
  const handle = world.temporal.workflow.getHandle(approval.temporal_workflow_id)
  try {
    await handle.signal(MESSAGES.approveSignal, message)
  } catch (error) {
    // It has ended already: `refusals` says how.
    if (!(error instanceof WorkflowNotFoundError)) throw error
  }
}

/** Codes of what the approval has refused so far, once there are that many; and how it ended, if it did before that. */
export async function refusals(world: World, approval: ApprovalView, count = 1): Promise<string[]> {
  const handle = world.temporal.workflow.getHandle(approval.temporal_workflow_id)
  return eventually(async () => {
    const { refusals: refused, status } = await handle.query<{
      refusals: { code: string }[]
      status: string
    }>(MESSAGES.getApprovalQuery)
    const codes = refused.map(({ code }) => code)
    if (codes.length >= count) return codes
    return status !== 'waiting' && [...codes, `(${status})`]
  })
}

/** A ticket that the API has signed for this person. */
export async function ticketOf(client: ApiClient, approval: ApprovalView): Promise<Envelope> {
  const { input } = await client.createTicket({
    approval_id: approval.approval_id,
    verdict: 'approve',
    digest: approval.digest,
  })
  return input.ticket
}

/** A decision as the API would write it, with a key of the attacker's choice. */
export function forgedTicket(
  approval: ApprovalView,
  key: SigningKey,
  changes: Partial<Decision> = {},
): Envelope {
  const decision: Decision = {
    decisionId: `dec_${randomBytes(16).toString('hex')}`,
    organization: 'acme',
    writebackId: approval.writeback_id,
    digest: approval.digest,
    verdict: 'approve',
    principal: 'lena@acme.example',
    roles: ['lead'],
    method: 'api_key',
    channel: 'api',
    at: new Date().toISOString(),
    comment: '',
    ...changes,
  }
  return signEnvelope(DECISION_PAYLOAD_TYPE, decision, key)
}

/** The same envelope around a changed document. */
export function tampered(ticket: Envelope, changes: Partial<Decision>): Envelope {
  const document = JSON.parse(Buffer.from(ticket.payload, 'base64').toString('utf8')) as Decision
  const payload = Buffer.from(JSON.stringify({ ...document, ...changes })).toString('base64')
  return { ...ticket, payload }
}

/** The call as the run made it: everybody who may read the namespace finds it in the input of the writeback. */
export async function callOf(world: World, approval: ApprovalView): Promise<Call> {
  const workflowId = writebackWorkflowId({ organization: 'acme', writebackId: approval.writeback_id })
  const view = await world.temporal.workflow
    .getHandle(workflowId)
    .query<{ call: Call }>(MESSAGES.getWritebackQuery)
  return view.call
}

export { approvalWorkflowId, writebackWorkflowId }

export async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt
    return 'nothing was refused'
  } catch (error) {
    if (error instanceof ApiError) return error.code
    return failureType(error)
  }
}

/** The type of the innermost failure: our code. */
export function failureType(error: unknown): string {
  let found = String(error)
  for (let current = error; current instanceof Error; current = current.cause) {
    const { type } = current as { type?: unknown }
    if (typeof type === 'string') found = type
  }
  return found
}

export interface ForeignWorker {
  taskQueue: string
  /** Calls an activity of ours, on our task queue, as somebody who can run workflows. */
  callActivity(name: string, ...args: unknown[]): Promise<unknown>
  /** The same from a workflow with this id, which is free because its own execution is over. */
  callAs(workflowId: string, name: string, ...args: unknown[]): Promise<unknown>
  close(): Promise<void>
}

/** The attacker's own worker: in the same namespace, with workflows that say what he wants. */
export async function startForeignWorker(world: World): Promise<ForeignWorker> {
  const taskQueue = `foreign-${world.taskQueue}`
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') })
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('../fixtures/hostile-workflows.ts', import.meta.url)),
  })
  const running = worker.run()
  const callAs: ForeignWorker['callAs'] = (workflowId, activity, ...args) =>
    world.temporal.workflow.execute('callActivity', {
      taskQueue,
      workflowId,
      args: [{ taskQueue: world.taskQueue, activity, args }],
    })
  return {
    taskQueue,
    callAs,
    callActivity: (activity, ...args) =>
      callAs(`hostile/${randomBytes(8).toString('hex')}`, activity, ...args),
    async close() {
      worker.shutdown()
      await running
      await connection.close()
    },
  }
}

export function outcomeOf(result: unknown): WriteOutcome {
  const { kind, outcome } = result as { kind: string; outcome: WriteOutcome }
  if (kind !== 'done') throw new Error(`the door answered ${kind}`)
  return outcome
}

const BOOKS_SQL = `
create table accounts (
  id text primary key,
  tenant text not null,
  amount integer not null,
  note text not null default '',
  version integer not null default 1
);
create function bump_version() returns trigger language plpgsql as $$
begin
  new.version := old.version + 1;
  return new;
end $$;
create trigger accounts_version before update on accounts for each row execute function bump_version();
`

const MANIFESTS = [
  booksConnection('BOOKS_URL'),
  {
    kind: 'Policy',
    name: 'books',
    spec: {
      rules: [
        {
          name: 'a-lead-agrees',
          match: { connection: CONNECTION },
          require: { stages: [{ roles: ['lead'], quorum: 1 }] },
        },
      ],
    },
  },
  adjustment(AUTOMATION),
  adjustment(LATE),
]
