/**
 * What we add to Temporal, beside what is written by hand, in turns on the same machine; medians of the turns. What
 * fails is a ratio of two times of the same run that is over its budget, never a time, but for a save that takes far
 * too long.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { randomUUID } from 'node:crypto'
import { Client, Connection } from '@temporalio/client'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { createDataConverter } from '../../codec/data-converter.ts'
import { inLanes } from '../../lib/lanes.ts'
import { AutomationSpecSchema } from '../../schemas/manifests.ts'
import { compilePlan } from '../../schemas/plan.ts'
import { bundleWorkflows } from '../../workers/bundle.ts'
import { LOOK, automation } from '../support/automations.ts'
import { startWorld, type World } from '../support/world.ts'

const TURNS = Number(process.env['BENCH_TURNS'] ?? 9)
const RUNS_PER_TURN = 200
const STARTS_PER_TURN = 100
const LANES = 20
const CPU_BUDGET = 1.3
const START_BUDGET = 1.5
const SAVE_BUDGET_MS = 1_000
const KINDS = ['hand', 'ours'] as const
type Kind = (typeof KINDS)[number]

let world: World
const rows: Record<string, Record<string, string>> = {}
const lines: string[] = []

beforeAll(async () => {
  world = await startWorld({ worker: false })
})

afterAll(async () => {
  await world.close()
  console.table(rows)
  console.log(lines.join('\n'))
})

interface Bench {
  process: ChildProcess
  client: Client
  taskQueue: string
}

async function startBench(kind: Kind, connection: Connection): Promise<Bench> {
  const taskQueue = `bench-${kind}-${randomUUID()}`
  const args = [kind, taskQueue, inject('temporalAddress'), world.databaseUrl]
  const child = fork(new URL('worker.ts', import.meta.url), args, {
    execArgv: ['--import', 'tsx', ...(process.env['BENCH_WORKER_ARGS']?.split(' ') ?? [])],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  await once(child, 'message')
  const dataConverter = createDataConverter({ database: world.database })
  const client = new Client({ connection, ...(kind === 'ours' ? { dataConverter } : {}) })
  return { process: child, client, taskQueue }
}

async function cpuMsOf({ process: child }: Bench): Promise<number> {
  child.send('cpu')
  const [answer] = (await once(child, 'message')) as [{ cpu: NodeJS.CpuUsage }]
  return (answer.cpu.user + answer.cpu.system) / 1_000
}

const PLAN = compilePlan('looking', 1, AutomationSpecSchema.parse({ steps: [LOOK] }))

async function runOne(kind: Kind, { client, taskQueue }: Bench): Promise<void> {
  const workflowId = `bench/${randomUUID()}`
  if (kind === 'hand') {
    await client.workflow.execute('handWritten', { workflowId, taskQueue, args: [{ about: 'x' }] })
    return
  }
  const start = {
    organization: 'acme',
    deliveryId: workflowId,
    runId: workflowId,
    input: { account: 'x' },
    searchAttributes: false,
  }
  await client.workflow.execute('automationWorkflow', { workflowId, taskQueue, args: [start, PLAN] })
}

/** Milliseconds of CPU of the worker, per run. */
async function turnOf(kind: Kind, bench: Bench): Promise<number> {
  const before = await cpuMsOf(bench)
  await inLanes(Array.from({ length: RUNS_PER_TURN }), LANES, () => runOne(kind, bench))
  return ((await cpuMsOf(bench)) - before) / RUNS_PER_TURN
}

test('CPU of a worker per run, against a workflow with one activity', async () => {
  const connection = await Connection.connect({ address: inject('temporalAddress') })
  const [hand, ours] = await Promise.all(KINDS.map((kind) => startBench(kind, connection)))
  if (!hand || !ours) throw new Error('no worker')
  const spent: Record<Kind, number[]> = { hand: [], ours: [] }
  await turnOf('hand', hand)
  await turnOf('ours', ours)
  for (let turn = 0; turn < TURNS; turn++) {
    spent.hand.push(await turnOf('hand', hand))
    spent.ours.push(await turnOf('ours', ours))
  }
  for (const { process: child } of [hand, ours]) {
    child.send('stop')
    await once(child, 'exit')
  }
  await connection.close()
  // Of turns side by side: what slows one of them down slows its neighbour too.
  const ratio = median(spent.ours.map((oursMs, turn) => oursMs / (spent.hand[turn] ?? Number.NaN)))
  report('CPU per run', spent, { ratio, budget: CPU_BUDGET })
  expect(spent.ours).toHaveLength(TURNS)
  expect(ratio, 'CPU of a worker per run, median of the ratios of the turns').toBeLessThanOrEqual(CPU_BUDGET)
})

test('from a request to a run that has started, against a bare start', async () => {
  await world.admin.applyManifests({
    manifests: [automation('returning', [{ name: 'result', return: 1 }])],
  })
  const { client } = { client: world.temporal }
  const spent: Record<Kind, number[]> = { hand: [], ours: [] }
  const bare = async (): Promise<unknown> =>
    client.workflow.start('handWritten', {
      workflowId: `bare/${randomUUID()}`,
      taskQueue: world.taskQueue,
      args: [{ about: 'x' }],
    })
  const asked = async (): Promise<unknown> => world.admin.startRun({ name: 'returning', input: {} })
  for (let turn = -1; turn < TURNS; turn++)
    for (let start = 0; start < STARTS_PER_TURN; start++)
      for (const [kind, work] of [
        ['hand', bare],
        ['ours', asked],
      ] as const) {
        const ms = await msOf(work)
        if (turn >= 0) spent[kind].push(ms)
      }
  const ratio = median(spent.ours) / median(spent.hand)
  report('accepted → started, p50', spent, { ratio, budget: START_BUDGET })
  expect(spent.ours).toHaveLength(TURNS * STARTS_PER_TURN)
})

test('saving a manifest of 256 KB', async () => {
  const text = 'x'.repeat(400)
  const steps = (time: number) =>
    Array.from({ length: 495 }, (_, index) => ({
      name: `s${index}`,
      if: index === 0 ? 'input != null' : `steps.s${index - 1}.output == null || ${index} > ${time}`,
      fail: { code: 'NO_LUCK', message: `${text} \${{ input.a${index} }}` },
    }))
  const spent: number[] = []
  for (let time = 0; time < 5; time++) {
    const document = automation('large', steps(time))
    const bytes = JSON.stringify(document).length
    expect(bytes).toBeGreaterThan(230 * 1_024)
    spent.push(await msOf(() => world.admin.applyManifests({ manifests: [document] })))
  }
  const savedMs = median(spent)
  rows['save of 256 KB'] = { ours: `${savedMs.toFixed(0)} ms`, budget: `${SAVE_BUDGET_MS} ms` }
  const verdict = verdictOf(savedMs / SAVE_BUDGET_MS, 1)
  lines.push(`Save of 256 KB: ${savedMs.toFixed(0)} ms (budget ${SAVE_BUDGET_MS} ms): ${verdict}`)
  expect(savedMs).toBeLessThan(5 * SAVE_BUDGET_MS)
})

test('the bundle of the workflows', async () => {
  const { code } = await bundleWorkflows()
  rows['workflow bundle'] = { ours: `${(code.length / 1_024).toFixed(0)} KB with its source map` }
  expect(code.length).toBeGreaterThan(0)
})

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return performance.now() - startedMs
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function verdictOf(value: number, budget: number): string {
  return value <= budget ? 'kept' : `OVER by ${((value / budget - 1) * 100).toFixed(0)} %`
}

function report(
  what: string,
  spent: Record<Kind, readonly number[]>,
  { ratio, budget }: Record<'ratio' | 'budget', number>,
): void {
  const [hand, ours] = [median(spent.hand), median(spent.ours)]
  rows[what] = {
    'by hand': `${hand.toFixed(2)} ms`,
    ours: `${ours.toFixed(2)} ms`,
    ratio: ratio.toFixed(2),
    budget: `${budget.toFixed(1)} ×`,
  }
  const verdict = verdictOf(ratio, budget)
  lines.push(`${what}: ${ratio.toFixed(2)} × of a hand-written workflow (budget ${budget}): ${verdict}`)
}
