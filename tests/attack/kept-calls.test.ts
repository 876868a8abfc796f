/**
 * A tenant hands one large value to many calls of a run. What each was given is nobody's any more when it has its answer;
 * kept until the run ends, it would end the worker, and then the next one, of everybody.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorkerProcess, type WorkerProcess } from '../support/own-worker.ts'
import { startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Of each thread of the worker. What one call is given takes 6 MB of it. */
const HEAP_MB = 200
const CALLS = 40
const LARGE = 'export default () => Array.from({ length: 98000 }, () => ({}))'

let s: Scenario
let worker: WorkerProcess

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      worker = await startWorkerProcess(world, { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` })
    },
  })
  for (const tool of s.server.tools) {
    tool.run = () => ({ content: [{ type: 'text', text: 'ok' }] })
    tool.inputSchema = { type: 'object' }
  }
  const looks = Array.from({ length: CALLS }, (_, n) => ({
    name: `look_${n}`,
    tool_call: { connection: 'tools', tool: 'look', arguments: { about: '${{ steps.big.output }}' } },
  }))
  await s.define('large', [{ name: 'big', code: { source: LARGE } }, ...looks], { allow: true })
})

afterAll(async () => {
  await worker?.kill()
  await s?.close()
})

test('what the calls of a run were given does not stay in the memory of its worker', async () => {
  const run = await s.start('large')
  const end = await eventually(async () => {
    if (!worker.isAlive()) return 'the worker has ended'
    const { state } = await s.world.admin.getRun({ run_id: run.runId })
    return state !== 'running' && state
  }, 240_000)
  expect(end).toBe('completed')
}, 300_000)
