/** What Temporal keeps of an attempt is its last heartbeat, whichever way that came: none that comes later may say less. */
import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Context } from '@temporalio/activity'
import { Client, Connection } from '@temporalio/client'
import { NativeConnection, Worker } from '@temporalio/worker'
import { expect, inject, test } from 'vitest'
import { beat, beatAndWait, saidBefore } from '../../activities/heartbeat.ts'
import { saidByPending } from '../../activities/histories.ts'
import type { Door, heartbeatWorkflow } from '../fixtures/heartbeat-workflow.ts'

const CLAIM = { payloadType: 'claim', payload: 'of this attempt', signatures: [] }
const LOST = { payloadType: 'lost', payload: 'its answer', signatures: [] }

/** The first attempt does `work`, and fails. Gives what the second has from it. */
async function handedOn(work: () => Promise<void>, encode?: () => Promise<void>): Promise<unknown> {
  const taskQueue = `heartbeats-${randomUUID()}`
  const address = inject('temporalAddress')
  const native = await NativeConnection.connect({ address })
  const connection = await Connection.connect({ address })
  const perform: Door['perform'] = async () => {
    if (Context.current().info.attempt > 1) return saidBefore()
    await work()
    throw new Error('the answer is lost')
  }
  const slowly = {
    encode: async <T>(payloads: T[]) => encode?.().then(() => payloads) ?? payloads,
    decode: async <T>(payloads: T[]) => payloads,
  }
  const worker = await Worker.create({
    connection: native,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('../fixtures/heartbeat-workflow.ts', import.meta.url)),
    activities: { perform },
    dataConverter: { payloadCodecs: [slowly] },
    maxHeartbeatThrottleInterval: '500ms',
  })
  const options = { taskQueue, workflowId: taskQueue, args: [] as [] }
  try {
    return await worker.runUntil(
      new Client({ connection }).workflow.execute<typeof heartbeatWorkflow>('heartbeatWorkflow', options),
    )
  } finally {
    await connection.close()
    await native.close()
  }
}

/** What a worker that takes over would be given, at any time of the next second. */
async function lookForASecond(): Promise<unknown[]> {
  const { client, info } = Context.current()
  const seen: unknown[] = []
  for (let i = 0; i < 20 && info.workflowExecution; i++) {
    seen.push(...(await saidByPending(client, info.workflowExecution)))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return seen
}

test('a heartbeat from before the claim, and a failure, leave the claim and the words', async () => {
  const said = await handedOn(async () => {
    beat({ tool: 'list' })
    await new Promise((resolve) => setTimeout(resolve, 700))
    await beatAndWait({ claim: CLAIM })
    beat({ tool: 'pay' })
    await beatAndWait({ lost: LOST })
  })
  expect(said).toEqual({ tool: 'pay', claim: CLAIM, lost: LOST })
})

test('a failure leaves the claim that was told before any heartbeat', async () => {
  const said = await handedOn(async () => {
    await beatAndWait({ claim: CLAIM })
    beat()
  })
  expect(said).toEqual({ claim: CLAIM })
})

test('a heartbeat that was slow to leave does not come after the claim', async () => {
  let seen: unknown[] = []
  let encoded = 0
  const work = async (): Promise<void> => {
    beat({ knowsEarlier: true })
    await beatAndWait({ claim: CLAIM })
    seen = await lookForASecond()
  }
  const said = await handedOn(work, async () => {
    if (encoded++ === 0) await new Promise((resolve) => setTimeout(resolve, 300))
  })
  expect(said).toEqual({ knowsEarlier: true, claim: CLAIM })
  expect(seen.length).toBeGreaterThan(0)
  for (const one of seen) expect(one).toEqual(said)
})
