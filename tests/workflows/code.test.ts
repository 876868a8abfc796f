/** Code as a step of real runs: what it is given, what it leaves behind, and what of a worker it cannot take. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import type { LogLine } from '../../schemas/run.ts'
import { LOOK } from '../support/automations.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

let s: Scenario

beforeAll(async () => {
  s = await startScenario()
})

afterAll(() => s.close())

const code = (name: string, body: string, more: JsonObject = {}): JsonObject => ({
  name,
  code: { source: `export default async function (ctx) {\n${body}\n}`, ...more },
})

async function begin(name: string, steps: JsonObject[]): Promise<StartedRun> {
  await s.define(name, steps, { allow: true })
  return s.start(name)
}

function stepsOf(
  run: StartedRun,
): Promise<Record<string, { status: string; attempt?: number; logs?: LogLine[] }>> {
  const handle = s.world.temporal.workflow.getHandle(run.workflowId)
  return handle
    .query<{ steps: Record<string, { status: string; attempt?: number; logs?: LogLine[] }> }>('getRun')
    .then(({ steps }) => steps)
}

test('it is given what expressions can name, and its result is the output', async () => {
  const each = {
    name: 'each',
    for_each: {
      items: '["a", "b"]',
      steps: [code('inner', 'return ctx.item + ctx.index + ctx.steps.look.output.level')],
    },
  }
  const run = await begin('code-scope', [
    LOOK,
    each,
    code(
      'sum',
      'console.log("run", ctx.run.automation); return { n: ctx.input.balance + 1, seen: Object.keys(ctx.steps) }',
    ),
    { name: 'result', return: { each: '${{ steps.each.output }}', sum: '${{ steps.sum.output }}' } },
  ])
  const result = { each: ['a03', 'b13'], sum: { n: 8, seen: ['look', 'each'] } }
  await s.expectEnding(run, { state: 'completed', result })
  const steps = await stepsOf(run)
  expect(steps['sum']).toEqual({
    status: 'completed',
    attempt: 1,
    output: result.sum,
    logs: [{ level: 'log', text: 'run code-scope' }],
  })
  expect(steps['each[0].inner']).toEqual({ status: 'completed', attempt: 1, output: 'a03' })
})

test('it costs one activity: 11 events for a run of it', async () => {
  const run = await begin('code-events', [code('sum', 'return 1')])
  await s.expectEnding(run, { state: 'completed', result: 1 })
  const { events } = await s.world.temporal.workflow.getHandle(run.workflowId).fetchHistory()
  expect(events).toHaveLength(11)
})

test('a failure has its line and its log, and may be tried again or gone on after', async () => {
  const failing = {
    ...code('bad', 'console.warn("soon"); throw new Error("no")'),
    retry: { max_attempts: 2, backoff: '100ms' },
  }
  const run = await begin('code-fails', [failing])
  const ending = await s.expectEnding(run, { state: 'failed', code: 'CODE_FAILED' })
  expect(ending.message).toContain('step bad: The code of a step has failed. Error: no (line 2, column')
  expect((await stepsOf(run))['bad']).toMatchObject({
    status: 'failed',
    attempt: 2,
    logs: [{ level: 'warn', text: 'soon' }],
  })
  const continued = await begin('code-goes-on', [
    { ...code('bad', 'return fetch("http://x")'), on_error: 'continue' },
    { name: 'result', return: '${{ steps.bad.error.code }}' },
  ])
  await s.expectEnding(continued, { state: 'completed', result: 'CODE_FAILED' })
})

test('a loop without end ends, while calls beside it go on', async () => {
  const loops = Object.fromEntries(
    ['a', 'b'].map((name) => [
      name,
      [{ ...code(`loop_${name}`, 'for (;;) {}', { timeout: '2s' }), on_error: 'continue' }],
    ]),
  )
  const branches = { ...loops, read: [LOOK] }
  const run = await begin('code-loops', [{ name: 'fan', parallel: { branches } }])
  await eventually(async () => (await stepsOf(run))['fan.read.look']?.status === 'completed', 6_000)
  expect((await stepsOf(run))['fan.a.loop_a']?.status).toBe('running')
  await s.expectEnding(run, { state: 'completed' })
  // Not one attempt was lost for want of a heartbeat.
  const { events } = await s.world.temporal.workflow.getHandle(run.workflowId).fetchHistory()
  const failures = (events ?? []).flatMap(
    ({ activityTaskStartedEventAttributes: at }) => at?.lastFailure ?? [],
  )
  expect(failures.map(({ timeoutFailureInfo }) => timeoutFailureInfo).filter(Boolean)).toEqual([])
})

test('it ends when its run is cancelled', async () => {
  const run = await begin('code-cancelled', [code('loop', 'for (;;) {}', { timeout: '60s' })])
  await eventually(async () => (await stepsOf(run))['loop']?.status === 'running')
  await s.clerk.cancelRun({ run_id: run.runId })
  await s.expectEnding(run, { state: 'cancelled' })
})

test('a result that is too large fails by its code, before it travels', async () => {
  const run = await begin('code-large', [code('big', 'return "x".repeat(10 * 1024 * 1024)')])
  await s.expectEnding(run, { state: 'failed', code: 'VALUE_TOO_LARGE' })
})

test('a source that cannot be read is refused at save', async () => {
  await expect(begin('code-broken', [code('bad', 'let x = ;')])).rejects.toMatchObject({
    code: 'INVALID_MANIFEST',
    message: expect.stringContaining('line 2, column 9') as string,
  })
})
