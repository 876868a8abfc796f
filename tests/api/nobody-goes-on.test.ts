/** A run that no worker takes, and then one that workers of another release cannot go on with: each is told as what it is. */
import { fileURLToPath } from 'node:url'
import { NativeConnection, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import type { HeldUp } from '../../schemas/operations/runs.ts'
import { eventually } from '../support/world.ts'
import { createTestApi, returningAutomation, type TestApi } from './support.ts'

const PATIENCE_MS = 60_000

let api: TestApi
let connection: NativeConnection
let worker: Worker
let running: Promise<void> | undefined
let run: { run_id: string; temporal_workflow_id: string }

beforeAll(async () => {
  api = await createTestApi()
  await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests: [returningAutomation('echo')] } })
  const { body } = await api.call({ method: 'POST', url: '/v1/automations/echo/runs', body: {} })
  run = body as typeof run
  connection = await NativeConnection.connect({ address: inject('temporalAddress') })
  worker = await Worker.create({
    connection,
    taskQueue: api.taskQueue,
    workflowsPath: fileURLToPath(new URL('../fixtures/broken-workflows.ts', import.meta.url)),
    shutdownGraceTime: '500ms',
  })
})
afterAll(async () => {
  if (running) worker.shutdown()
  await running
  await Promise.all([connection?.close(), api?.close()])
})

/** Once there is one that says so. */
function heldUp(words: RegExp): Promise<HeldUp> {
  return eventually(async () => {
    const { body } = await api.call({ url: `/v1/runs/${run.run_id}` })
    return (body['held_up_by'] as HeldUp[]).find(({ summary }) => words.test(summary))
  }, PATIENCE_MS)
}

// It takes ten seconds by its nature: a worker that is busy may take that long.
it('says since when no worker has taken it, and what to do', async () => {
  const held = await heldUp(/^No worker has taken the next task of the run since 2.*Z\.$/)
  expect(held).toMatchObject({ path: null, connection: null, failure: null })
  expect(held.action).toMatch(/^Start a worker with the same COUNTERSIGN_TASK_QUEUE/)
})

it('names what the workers fail at, and so does the doctor', async () => {
  running = worker.run()
  const held = await heldUp(
    /^The workers cannot go on with the run since 2.*: STEP_FAILED: this run is of another release \(attempt \d+ is under way\)$/,
  )
  expect(held).toMatchObject({ path: null, connection: null, failure: { code: 'STEP_FAILED' } })
  expect(held.action).toContain('another release')
  const { body } = await api.call({ url: '/v1/health/details' })
  const checks = body['checks'] as { name: string; status: string; summary: string; action: string }[]
  const [check] = checks.filter(({ name, summary }) => name === 'runs' && summary.includes(run.run_id))
  expect(check).toMatchObject({ status: 'warn', action: held.action })
  expect(check?.summary).toContain('does not move: The workers cannot go on with the run')
  await api.client.workflow.getHandle(run.temporal_workflow_id).terminate()
})
