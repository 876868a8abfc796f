/** A run that no worker can go on with, because they are of another release: it says so, and not that nobody works. */
import { fileURLToPath } from 'node:url'
import { NativeConnection, Worker } from '@temporalio/worker'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import type { HeldUp } from '../../schemas/operations/runs.ts'
import { eventually } from '../support/world.ts'
import { createTestApi, returningAutomation, type TestApi } from './support.ts'

let api: TestApi
let connection: NativeConnection
let stopWorker: () => Promise<void>

beforeAll(async () => {
  api = await createTestApi()
  connection = await NativeConnection.connect({ address: inject('temporalAddress') })
  const worker = await Worker.create({
    connection,
    taskQueue: api.taskQueue,
    workflowsPath: fileURLToPath(new URL('../fixtures/broken-workflows.ts', import.meta.url)),
    shutdownGraceTime: '500ms',
  })
  const running = worker.run()
  stopWorker = async () => {
    worker.shutdown()
    await running
  }
})
afterAll(async () => {
  await stopWorker?.()
  await Promise.all([connection?.close(), api?.close()])
})

it('names what the workers fail at, and what to do', async () => {
  await api.call({ method: 'POST', url: '/v1/manifests', body: { manifests: [returningAutomation('echo')] } })
  const started = await api.call({ method: 'POST', url: '/v1/automations/echo/runs', body: {} })
  const shown = async () => (await api.call({ url: `/v1/runs/${String(started.body['run_id'])}` })).body
  const held = await eventually(async () => ((await shown())['held_up_by'] as HeldUp[])[0], 60_000)
  expect(held).toMatchObject({ path: null, connection: null, failure: { code: 'TypeError' } })
  expect(held.summary).toMatch(
    /^The workers cannot go on with the run since 2.*: TypeError: this run is of another release \(attempt \d+ is under way\)$/,
  )
  expect(held.action).toContain('another release')
  await api.client.workflow.getHandle(String((await shown())['temporal_workflow_id'])).terminate()
})
