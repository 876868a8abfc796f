/** Steps, references and failures of a run; and what a run costs in events, bytes, statements and looks at executions. */
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { approvalWorkflowId, writebackWorkflowId } from '../../schemas/names.ts'
import { CHANGE, LOOK, NOTE, ONE_LEAD } from '../support/automations.ts'
import { startWorkerHere, watchStatements } from '../support/own-worker.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
let database: Database
let statements: string[]
/** Workflows that activities have asked Temporal about. */
const described: string[] = []
let stopWorker: () => Promise<void>
let isHanging = false
let held = 0

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    intercept: ({ method }) => {
      if (method !== 'tools/call' || !isHanging) return false
      held++
      return true
    },
    beforeApply: async (world) => {
      database = createDatabase(world.databaseUrl)
      statements = watchStatements(database)
      stopWorker = await startWorkerHere(world, { database, secrets: {} })
    },
  })
  await stopWorker()
  await startWorker()
})

async function startWorker(): Promise<void> {
  stopWorker = await startWorkerHere(s.world, { database, secrets: s.secrets, described })
}

afterAll(async () => {
  await stopWorker()
  await database.end()
  await s.close()
})

/** Of the three executions of one parked approval, with all that the UI shows of them and our search attributes. */
const MAX_PARKED_BYTES = 12 * 1024

const handleOf = (workflowId: string) => s.world.temporal.workflow.getHandle(workflowId)

describe('a run', () => {
  test('skips a step whose condition is false, and what names it sees null', async () => {
    const skipped = { ...NOTE, if: 'steps.look.output.level > 5' }
    const result = {
      name: 'result',
      return: {
        noted: '${{ steps.note.output }}',
        status: '${{ steps.note.status }}',
        level: '${{ steps.look.output.level }}',
      },
    }
    await s.define('skips', [LOOK, skipped, result], { allow: true })
    const run = await s.start('skips')
    await s.expectEnding(run, {
      state: 'completed',
      result: { noted: null, status: 'skipped', level: 3 },
      writebacks: [],
      notes: 0,
    })
  })

  test('fails at a reference that leads nowhere, before the call', async () => {
    const lost = {
      ...NOTE,
      tool_call: { connection: 'tools', tool: 'note', arguments: { about: '${{ input.nobody.name }}' } },
    }
    await s.define('lost', [lost], { allow: true })
    const calls = s.server.calls.length
    const run = await s.start('lost')
    const ending = await s.expectEnding(run, {
      state: 'failed',
      code: 'UNRESOLVED_REFERENCE',
      writebacks: [],
    })
    expect(ending.message).toContain('note')
    expect(s.server.calls).toHaveLength(calls)
  })

  test('fails with what a reading tool says', async () => {
    const look = s.server.tools.find(({ name }) => name === 'look')
    if (!look) throw new Error('the server has no tool look')
    const { run: good } = look
    await s.define('fails', [LOOK], { allow: true })
    look.run = () => ({ content: [{ type: 'text', text: 'no such account' }], isError: true })
    const run = await s.start('fails')
    const ending = await s.expectEnding(run, {
      state: 'failed',
      code: 'TOOL_FAILED',
      writebacks: [],
      receipts: [],
    })
    expect(ending.message).toContain('no such account')
    expect((await costOf([run.workflowId])).events).toBe(11)
    look.run = good
  })

  test('waits for a secret that is missing, says so, and goes on once it is there', async () => {
    const spec = {
      type: 'postgres',
      url: '${secret:LATE_URL}',
      tables: { accounts: { primary_key: ['id'], version: 'version', writable: ['balance'] } },
    }
    await s.apply({ kind: 'Connection', name: 'late', spec })
    const { update } = CHANGE['writeback'] as { update: JsonObject }
    await s.define('secretive', [{ name: 'change', writeback: { connection: 'late', update } }], {
      allow: true,
    })
    const run = await s.start('secretive')
    const type = await eventually(async () => {
      const { raw } = await handleOf(run.workflowId).describe()
      const child = raw.pendingChildren?.[0]?.workflowId
      if (!child) return undefined
      const { raw: writeback } = await handleOf(child).describe()
      return writeback.pendingActivities?.[0]?.lastFailure?.applicationFailureInfo?.type
    })
    expect(type).toBe('SECRET_NOT_FOUND')
    s.secrets['LATE_URL'] = s.secrets['SHOP_DATABASE_URL'] ?? ''
    await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], changes: 1 })
  })

  test('survives that a worker is stopped in the middle of its reading', async () => {
    await s.define('outlives', [LOOK], { allow: true })
    isHanging = true
    const before = held
    const run = await s.start('outlives')
    await eventually(async () => held > before)
    await stopWorker()
    isHanging = false
    await startWorker()
    await s.expectEnding(run, { state: 'completed', result: { about: run.account, level: 3 } })
  })

  test('is not harmed by a database of ours that is slow to take a decision', async () => {
    await s.define('slow-books', [CHANGE], ONE_LEAD)
    const run = await s.park('slow-books')
    const ticket = await s.lena.createTicket({ ...about(run.approval), verdict: 'approve' })
    const blocker = await s.world.database.connect()
    await blocker.query('begin; lock table decisions in access exclusive mode')
    await handleOf(ticket.workflow_id).signal(ticket.signal, ticket.input)
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    await blocker.query('rollback')
    blocker.release()
    await s.expectEnding(run, { state: 'completed', approvals: ['approved'], changes: 1 })
    expect((await s.statements(run)).length).toBe(2)
  })
})

interface Cost {
  events: number
  bytes: number
}

async function costOf(workflowIds: string[]): Promise<Cost> {
  const costs = await Promise.all(
    workflowIds.map(async (workflowId) => {
      const { historyLength, historySize } = await handleOf(workflowId).describe()
      return { events: historyLength, bytes: historySize ?? Number.NaN }
    }),
  )
  return costs.reduce((sum, one) => ({ events: sum.events + one.events, bytes: sum.bytes + one.bytes }))
}

function report(what: string, numbers: unknown): void {
  process.stderr.write(`[numbers] ${what}: ${JSON.stringify(numbers)}\n`)
}

async function holds(workflowId: string, text: string): Promise<boolean> {
  const history = await handleOf(workflowId).fetchHistory()
  return Buffer.from(temporal.api.history.v1.History.encode(history).finish()).includes(text)
}

async function idsOf(run: StartedRun): Promise<string[]> {
  const { approval_id: approvalId, writeback_id: writebackId } = await s.approvalOf(run)
  const organization = 'acme'
  return [
    run.workflowId,
    writebackWorkflowId({ organization, writebackId }),
    approvalWorkflowId({ organization, approvalId }),
  ]
}

describe('what it costs', () => {
  for (const [name, step] of [
    ['one-reading', LOOK],
    ['one-free-write', NOTE],
  ] as const) {
    test(`${name} is 11 events`, async () => {
      await s.define(name, [step], { allow: true })
      const run = await s.start(name)
      await s.expectEnding(run, { state: 'completed' })
      const cost = await costOf([run.workflowId])
      report(name, cost)
      expect(cost.events).toBe(11)
    })
  }

  for (const [name, step] of [
    ['parked-tool-call', NOTE],
    ['parked-writeback', CHANGE],
  ] as const) {
    test(`${name} is at most 40 events, and only the run holds the plan`, async () => {
      const marker = 'a-text-of-the-plan-that-no-other-place-has'
      await s.define(name, [step, { name: 'end', return: marker }], ONE_LEAD)
      const run = await s.park(name)
      const ids = await idsOf(run)
      const parked = await costOf(ids)
      const holders = await Promise.all(ids.map((id) => holds(id, marker)))
      await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
      await s.expectEnding(run, { state: 'completed' })
      report(name, { parked, ended: await costOf(ids) })
      expect(holders).toEqual([true, false, false])
      expect(parked.events).toBeLessThanOrEqual(40)
      expect(parked.bytes).toBeLessThanOrEqual(MAX_PARKED_BYTES)
    })
  }

  test('a reading takes one statement of ours, and asks Temporal about nothing', async () => {
    await s.define('counted-reading', [LOOK], { allow: true })
    statements.length = described.length = 0
    await s.expectEnding(await s.start('counted-reading'), { state: 'completed' })
    report('a reading', { statements, described })
    expect(statements).toHaveLength(1)
    expect(described).toEqual([])
  })

  /** Once each: an attempt that beats before its claim, because the machine is slow, also looks whether Temporal has it. */
  const asked = (): string[] => [...new Set(described)]

  test('a write asks Temporal about each execution that may be cancelled, and about no other', async () => {
    await s.define('counted-free-write', [NOTE], { allow: true })
    described.length = 0
    const free = await s.start('counted-free-write')
    await s.expectEnding(free, { state: 'completed' })
    report('a free write', described)
    expect(asked()).toEqual([free.workflowId])
    await s.define('counted-gated-write', [CHANGE], ONE_LEAD)
    described.length = 0
    const gated = await s.park('counted-gated-write')
    expect(described).toEqual([])
    await s.lena.decideApproval({ ...about(gated.approval), verdict: 'approve' })
    await s.expectEnding(gated, { state: 'completed' })
    report('an approved write', described)
    const { writeback_id: writebackId } = gated.approval
    expect(asked()).toEqual([writebackWorkflowId({ organization: 'acme', writebackId }), gated.workflowId])
  })

  test('a gated write takes a bounded number of statements of ours', async () => {
    await s.define('counted-write', [CHANGE], ONE_LEAD)
    statements.length = 0
    const run = await s.park('counted-write')
    const asked = [...statements]
    statements.length = 0
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, { state: 'completed' })
    const decided = statements.findIndex((text) => text.startsWith('select (select jsonb_build_object'))
    const [decision, applied] = [statements.slice(0, decided), statements.slice(decided)]
    report('planned and asked', asked)
    report('decided', decision)
    report('applied', applied)
    expect([asked.length, decision.length, applied.length]).toEqual([8, 11, 11])
  })
})
