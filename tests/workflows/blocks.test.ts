/** Steps with steps inside, on real parts: approvals in loops and branches, retries, sleeps, and ends in the middle. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDatabase, type Database } from '../../db/database.ts'
import type { JsonObject } from '../../lib/json.ts'
import { CHANGE, LOOK, NOTE, NOTE_AGAIN, ONE_LEAD } from '../support/automations.ts'
import type { TestTool } from '../support/mcp-server.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario
let database: Database
let stopWorker: () => Promise<void>

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      database = createDatabase(world.databaseUrl)
      stopWorker = await startWorkerHere(world, { database, secrets: {} })
    },
  })
  await restartWorker()
})

afterAll(async () => {
  await stopWorker()
  await database.end()
  await s.close()
})

async function restartWorker(): Promise<void> {
  await stopWorker()
  stopWorker = await startWorkerHere(s.world, { database, secrets: s.secrets })
}

const handleOf = (run: StartedRun) => s.world.temporal.workflow.getHandle(run.workflowId)
const forEach = (name: string, items: string, steps: JsonObject[], more: JsonObject = {}): JsonObject => ({
  name,
  for_each: { items, steps, ...more },
})

/** All approvals of a run, once there are so many of them waiting. */
function waiting(run: StartedRun, count: number) {
  return eventually(async () => {
    const { items } = await s.world.admin.listApprovals({ run_id: run.runId, state: 'waiting' })
    return items.length === count ? items : undefined
  })
}

/** Fails as often as said, then does as before. */
function failing(name: string, times: number): () => void {
  const tool = s.server.tools.find((one) => one.name === name)
  if (!tool) throw new Error(`the server has no tool ${name}`)
  const { run: good } = tool
  let left = times
  tool.run = (...args: Parameters<TestTool['run']>) => {
    if (left-- > 0) return { content: [{ type: 'text', text: 'not today' }], isError: true }
    return good(...args)
  }
  return () => {
    tool.run = good
  }
}

async function eventTypes(run: StartedRun): Promise<Record<string, number>> {
  const { events } = await handleOf(run).fetchHistory()
  const counts: Record<string, number> = {}
  for (const event of events ?? []) {
    const type = Object.keys(event).find((key) => key.endsWith('EventAttributes')) ?? ''
    counts[type.replace('EventAttributes', '')] = (counts[type.replace('EventAttributes', '')] ?? 0) + 1
  }
  return counts
}

describe('a loop', () => {
  test('asks for an approval per item, so many at a time, and its results are in order', async () => {
    const loop = forEach('each', '["a", "b", "c"]', [NOTE, { ...LOOK, name: 'last' }], { concurrency: 2 })
    const result = {
      name: 'result',
      return: { count: '${{ size(steps.each.output) }}', each: '${{ steps.each.output }}' },
    }
    await s.define('loop-approvals', [loop, result], ONE_LEAD)
    const run = await s.start('loop-approvals')
    const first = await waiting(run, 2)
    const writebacks = (await s.world.admin.getRun({ run_id: run.runId })).writebacks
    expect(writebacks.map(({ path }) => path).sort()).toEqual(['each[0].note', 'each[1].note'])
    const [one, other] = first
    if (!one || !other) throw new Error('two approvals were expected')
    await s.lena.decideApproval({ ...about(other), verdict: 'approve' })
    const second = await waiting(run, 2)
    for (const approval of second) await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    await s.expectEnding(run, {
      state: 'completed',
      writebacks: ['applied', 'applied', 'applied'],
      approvals: ['approved', 'approved', 'approved'],
      notes: 3,
    })
    const each = Array<object>(3).fill({ about: run.account, level: 3 })
    expect((await s.look(run)).result).toEqual({ count: 3, each })
    // Waiting is shown once when it begins and once when it ends, however many approvals there are.
    expect((await eventTypes(run))['upsertWorkflowSearchAttributes'] ?? 0).toBeLessThanOrEqual(4)
  })

  test('says in its details how far it is, and what it waits for', async () => {
    await s.define('loop-details', [forEach('each', '[1, 2, 3]', [NOTE])], ONE_LEAD)
    const run = await s.start('loop-details')
    await waiting(run, 3)
    const details = await s.world.temporal.workflow
      .getHandle(run.workflowId)
      .query<{ currentDetails: string }>('__temporal_workflow_metadata')
    expect(details.currentDetails).toContain('0 of 3 items done')
    expect(details.currentDetails).toContain('`each[2].note`')
    expect(details.currentDetails.match(/writeback\/acme\//g)).toHaveLength(3)
    const view = await handleOf(run).query<{ steps: Record<string, { status: string }> }>('getRun')
    expect(view.steps['each[1].note']).toEqual({ status: 'running', attempt: 1 })
    await s.clerk.cancelRun({ run_id: run.runId })
    await s.expectEnding(run, {
      state: 'cancelled',
      code: 'CANCELLED',
      writebacks: ['withdrawn', 'withdrawn', 'withdrawn'],
      approvals: ['withdrawn', 'withdrawn', 'withdrawn'],
      notes: 0,
    })
  })

  test('of a hundred readings is done a few at a time', async () => {
    const items = JSON.stringify(Array.from({ length: 100 }, (_, index) => `n${index}`))
    const read = {
      name: 'read',
      tool_call: { connection: 'tools', tool: 'look', arguments: { about: '${{ item }}' } },
    }
    const loop = forEach('each', items, [read], { concurrency: 10 })
    const result = { name: 'result', return: '${{ steps.each.output.map(o, o.about) }}' }
    await s.define('loop-hundred', [loop, result], { allow: true })
    const run = await s.start('loop-hundred')
    await s.expectEnding(run, { state: 'completed', result: JSON.parse(items) as string[] })
  })
})

describe('a branch that fails', () => {
  const branches = (left: JsonObject[], right: JsonObject[]): JsonObject => ({
    name: 'fan',
    parallel: { branches: { left, right } },
  })

  test('withdraws the approvals of the others before the run fails', async () => {
    await s.define('fan-fails', [branches([NOTE], [CHANGE])], ONE_LEAD)
    const run = await s.start('fan-fails')
    const approvals = await waiting(run, 2)
    const change = approvals.find(({ writeback_id }) => writeback_id.includes('change'))
    if (!change) throw new Error('no approval of the change')
    await s.lena.decideApproval({ ...about(change), verdict: 'reject' })
    const ending = await s.expectEnding(run, { state: 'failed', code: 'REJECTED', changes: 0, notes: 0 })
    expect(ending.writebacks.sort()).toEqual(['rejected', 'withdrawn'])
    expect(ending.approvals.sort()).toEqual(['rejected', 'withdrawn'])
    expect(ending.message).toContain('step fan.right.change')
    expect(await waiting(run, 0)).toEqual([])
  })

  test('may be continued after, with what it failed with', async () => {
    const fan = {
      ...branches(
        [NOTE],
        [{ name: 'stop', fail: { code: 'NOT_TODAY', message: 'no ${{ input.account }}' } }],
      ),
      on_error: 'continue',
    }
    const result = {
      name: 'result',
      return: '${{ [steps.fan.status, steps.fan.error.code, steps.fan.output] }}',
    }
    await s.define('fan-continues', [fan, result], ONE_LEAD)
    const run = await s.start('fan-continues')
    await s.expectEnding(run, { state: 'completed', result: ['failed', 'NOT_TODAY', null], notes: 0 })
  })
})

describe('a failure', () => {
  test('has the code of the automation where it says so', async () => {
    const stop = { name: 'stop', fail: { code: 'OVER_BUDGET', message: 'more than ${{ input.balance }}' } }
    const choice = {
      name: 'pick',
      choose: { branches: [{ when: 'input.balance > 5', steps: [LOOK, stop] }] },
    }
    await s.define('own-code', [choice, NOTE], { allow: true })
    const run = await s.start('own-code')
    await s.expectEnding(run, {
      state: 'failed',
      code: 'OVER_BUDGET',
      message: 'step pick[0].stop: more than 7',
      notes: 0,
    })
  })

  test('of a tool can be continued after', async () => {
    const result = { name: 'result', return: '${{ [steps.look.status, steps.look.error.code] }}' }
    await s.define('continues', [{ ...LOOK, on_error: 'continue' }, result], { allow: true })
    const restore = failing('look', 1)
    await s.expectEnding(await s.start('continues'), {
      state: 'completed',
      result: ['failed', 'TOOL_FAILED'],
    })
    restore()
  })
})

describe('a retry', () => {
  const retry = { max_attempts: 3, backoff: '100ms' }

  test('reads again what a tool has refused', async () => {
    await s.define('reads-again', [{ ...LOOK, retry }], { allow: true })
    const restore = failing('look', 2)
    await s.expectEnding(await s.start('reads-again'), { state: 'completed', writebacks: [] })
    restore()
  })

  test('of a failed write is a new round with its own approval and receipt', async () => {
    await s.define('writes-again', [{ ...NOTE_AGAIN, retry }], ONE_LEAD)
    const restore = failing('note_again', 1)
    const run = await s.park('writes-again')
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    const again = await eventually(async () => {
      const [approval] = (await s.world.admin.listApprovals({ run_id: run.runId, state: 'waiting' })).items
      return approval?.approval_id === run.approval.approval_id ? undefined : approval
    })
    expect(again.writeback_id).toBe(run.approval.writeback_id.replace(/1$/, '2'))
    await s.max.decideApproval({ ...about(again), verdict: 'approve' })
    const ending = await s.expectEnding(run, { state: 'completed', notes: 2 })
    expect(ending.writebacks.sort()).toEqual(['applied', 'failed'])
    expect(ending.receipts).toEqual([
      'approve by lena@acme.example',
      'outcome failed',
      'approve by max@acme.example',
      'outcome applied',
    ])
    restore()
  })

  test('does not come after a no', async () => {
    await s.define('no-is-no', [{ ...NOTE, retry }], ONE_LEAD)
    const run = await s.park('no-is-no')
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'reject' })
    await s.expectEnding(run, { state: 'failed', code: 'REJECTED', writebacks: ['rejected'] })
  })
})

describe('a sleep', () => {
  test('outlives its worker', async () => {
    await s.define('sleeps', [{ name: 'nap', sleep: { for: '4s' } }, LOOK], { allow: true })
    const run = await s.start('sleeps')
    await eventually(async () => (await eventTypes(run))['timerStarted'] === 1)
    await restartWorker()
    await s.expectEnding(run, { state: 'completed', result: { about: run.account, level: 3 } })
    expect((await eventTypes(run))['timerStarted']).toBe(1)
  })

  test('until a time that has passed is none', async () => {
    const steps = [{ name: 'nap', sleep: { until: '2020-01-01T00:00:00Z' } }, LOOK]
    await s.define('late-riser', steps, { allow: true })
    const run = await s.start('late-riser')
    await s.expectEnding(run, { state: 'completed' })
    expect((await eventTypes(run))['timerStarted']).toBeUndefined()
  })

  test('of years is refused when it comes to it', async () => {
    const steps = [{ name: 'nap', sleep: { until: '"2100-01-01T00:00:00Z"' } }]
    await s.define('sleeper', steps, { allow: true })
    await s.expectEnding(await s.start('sleeper'), { state: 'failed', code: 'LIMIT_EXCEEDED' })
  })

  test('is over when its run is cancelled', async () => {
    await s.define('woken', [{ name: 'nap', sleep: { for: '300d' } }], { allow: true })
    const run = await s.start('woken')
    await eventually(async () => (await eventTypes(run))['timerStarted'] === 1)
    await s.clerk.cancelRun({ run_id: run.runId })
    await s.expectEnding(run, { state: 'cancelled' })
  })
})
