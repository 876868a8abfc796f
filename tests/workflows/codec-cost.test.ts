/**
 * What the codec adds to a run: events, statements, CPU. The CPU is that of the codec itself, over the very payloads of
 * real runs, each encoded once by who sends it and decoded once by who receives it.
 */
import { temporal } from '@temporalio/proto'
import type { Payload, SerializationContext } from '@temporalio/common'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataConverter } from '../../codec/data-converter.ts'
import type { PayloadsOptions } from '../../codec/payloads.ts'
import type { JsonObject } from '../../lib/json.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { CHANGE, LOOK } from '../support/automations.ts'
import { startWorkerHere, watchStatements } from '../support/own-worker.ts'
import { keysOf } from '../support/payloads.ts'
import { startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'

let s: Scenario
let database: Database
let statements: string[]
let stopWorker: () => Promise<void>

beforeAll(async () => {
  s = await startScenario({
    worker: false,
    beforeApply: async (world) => {
      database = createDatabase(world.databaseUrl)
      statements = watchStatements(database)
      stopWorker = await startWorkerHere(world, { database, secrets: {} })
    },
  })
  await stopWorker()
  stopWorker = await startWorkerHere(s.world, { database, secrets: s.secrets })
})

afterAll(async () => {
  await stopWorker()
  await database.end()
  await s.close()
})

const ofCodec = (list: string[]) => list.filter((text) => text.includes('payloads'))

function report(what: string, numbers: unknown): void {
  process.stderr.write(`[numbers] codec, ${what}: ${JSON.stringify(numbers)}\n`)
}

/** All payloads in the history, decoded. */
async function payloadsOf(run: StartedRun): Promise<Payload[]> {
  const { History } = temporal.api.history.v1
  const fetched = await s.world.temporal.workflow.getHandle(run.workflowId).fetchHistory()
  const found: Payload[] = []
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
    const { metadata, data } = value as Payload
    if (metadata && data instanceof Uint8Array) found.push({ metadata, data })
    else for (const inner of Object.values(value)) walk(inner)
  }
  walk(History.toObject(History.fromObject(fetched)))
  const context = contextOf(run)
  return (
    (await createDataConverter({ database: s.world.database }).payloadCodecs?.[0]?.decode(found, context)) ??
    []
  )
}

const contextOf = ({ workflowId }: StartedRun): SerializationContext => ({
  type: 'workflow',
  namespace: 'default',
  workflowId,
})

/** Of this process, a round trip of all the payloads. */
async function cpuMsOf(
  payloads: Payload[],
  rounds: number,
  options: { context: SerializationContext } & Partial<PayloadsOptions>,
): Promise<number> {
  const { context, ...more } = options
  const [codec] = createDataConverter({ database: s.world.database, ...more }).payloadCodecs ?? []
  if (!codec) throw new Error('there is no codec')
  await codec.decode(await codec.encode(payloads, context), context)
  const before = process.cpuUsage()
  for (let i = 0; i < rounds; i++) await codec.decode(await codec.encode(payloads, context), context)
  const { user, system } = process.cpuUsage(before)
  return Number(((user + system) / 1_000 / rounds).toFixed(4))
}

async function finish(
  name: string,
  steps: JsonObject[],
): Promise<{ run: StartedRun; events: number; bytes: number }> {
  await s.define(name, steps, { allow: true })
  statements.length = 0
  const run = await s.start(name)
  await s.expectEnding(run, { state: 'completed' })
  const { historyLength, historySize } = await s.world.temporal.workflow.getHandle(run.workflowId).describe()
  return { run, events: historyLength, bytes: historySize ?? Number.NaN }
}

test('a run without large values costs no statement and no event', async () => {
  const { run, events, bytes } = await finish('small', [LOOK])
  expect(ofCodec(statements)).toEqual([])
  expect(events).toBe(11)
  const payloads = await payloadsOf(run)
  const context = contextOf(run)
  report('a reading, nothing large', {
    events,
    bytes,
    payloads: payloads.length,
    statements: 0,
    cpuMs: await cpuMsOf(payloads, 2_000, { context }),
    cpuMsEncrypted: await cpuMsOf(payloads, 2_000, { context, encryption: keysOf('k1') }),
  })
})

test('a run with large values costs one statement for each of them, and no event', async () => {
  const about = `\${{ input.account }}${'x'.repeat(60_000)}`
  const look = { name: 'look', tool_call: { connection: 'tools', tool: 'look', arguments: { about } } }
  const { run, events, bytes } = await finish('large', [
    look,
    { name: 'end', return: '${{ steps.look.output }}' },
  ])
  const ours = ofCodec(statements)
  expect(events).toBe(11)
  expect(bytes).toBeLessThan(4_000)
  // On the worker: the plan is read; arguments, output and result are kept.
  expect(ours.length).toBeLessThanOrEqual(4)
  const payloads = await payloadsOf(run)
  const context = contextOf(run)
  report('a reading with four values of 60 KB', {
    events,
    bytes,
    payloads: payloads.length,
    statements: ours.length,
    cpuMs: await cpuMsOf(payloads, 200, { context }),
    cpuMsEncrypted: await cpuMsOf(payloads, 200, { context, encryption: keysOf('k1') }),
  })
  const again = await finish('large', [look, { name: 'end', return: '${{ steps.look.output }}' }])
  report('the next run of the same plan', { events: again.events, statements: ofCodec(statements).length })
})

test('a write costs no statement of the codec either', async () => {
  const { events } = await finish('write', [CHANGE])
  expect(ofCodec(statements)).toEqual([])
  report('an ungated write', { events, statements: 0 })
})
