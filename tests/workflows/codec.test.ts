/**
 * Large values outside of histories, end to end: runs see whole values, histories hold hashes, the Temporal CLI shows
 * values through the codec endpoint; and what happens when a value is gone.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Client } from '@temporalio/client'
import type { Payload } from '@temporalio/common'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { loadSigningKey } from '../../lib/keys.ts'
import { countersign } from '../../workers/plugin.ts'
import { approvalWorkflowId, writebackWorkflowId } from '../../schemas/names.ts'
import { CHANGE, LOOK, NOTE, ONE_LEAD } from '../support/automations.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { keysOf } from '../support/payloads.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const SECRET = 'a-planted-secret'
const LARGE = 60_000

/** Everything of a history as text; bytes are shown as such. */
async function historyOf(s: Scenario, workflowId: string): Promise<string> {
  const history = await s.world.temporal.workflow.getHandle(workflowId).fetchHistory()
  const { History } = temporal.api.history.v1
  const plain = History.toObject(History.fromObject(history), { bytes: Array }) as object
  return JSON.stringify(plain, (_name, value: unknown) =>
    Array.isArray(value) && typeof value[0] === 'number' ? Buffer.from(value).toString('latin1') : value,
  )
}

const rowsOf = async (s: Scenario): Promise<Buffer[]> =>
  (await s.world.database.query<{ bytes: Buffer }>('select bytes from payloads')).rows.map(
    ({ bytes }) => bytes,
  )

function show(s: Scenario, workflowId: string, more: string[]): Promise<{ stdout: string }> {
  return promisify(execFile)(
    inject('temporalBinary'),
    [
      'workflow',
      'show',
      '--address',
      inject('temporalAddress'),
      '-w',
      workflowId,
      '--output',
      'json',
      ...more,
    ],
    { maxBuffer: 64 * 1024 * 1024, env: { HOME: s.world.folder, PATH: '/usr/bin:/bin' } },
  )
}

/** Looks something up that is large, and returns it. */
const LOOK_AND_RETURN: JsonObject[] = [
  {
    name: 'look',
    tool_call: {
      connection: 'tools',
      tool: 'look',
      arguments: { about: `\${{ input.account }} ${SECRET} ${'x'.repeat(LARGE)}` },
    },
  },
  { name: 'end', return: '${{ steps.look.output }}' },
]

describe('a run with large values', () => {
  let s: Scenario
  let run: StartedRun

  beforeAll(async () => {
    s = await startScenario()
    await s.define('large', LOOK_AND_RETURN, { allow: true })
    run = await s.start('large')
  })

  afterAll(() => s.close())

  test('sees whole values, and its history holds hashes', async () => {
    const ending = await s.expectEnding(run, { state: 'completed' })
    expect((ending.result as { about: string }).about).toBe(`${run.account} ${SECRET} ${'x'.repeat(LARGE)}`)
    const { historyLength, historySize } = await s.world.temporal.workflow
      .getHandle(run.workflowId)
      .describe()
    expect(historyLength).toBe(11)
    expect(historySize).toBeLessThan(4_000)
    expect(await historyOf(s, run.workflowId)).not.toContain(SECRET)
    expect((await rowsOf(s)).some((bytes) => bytes.includes(SECRET))).toBe(true)
  })

  test('gives whole values to any client that has the plugin, also if it is asked twice', async () => {
    const foreign = { encode: async (list: Payload[]) => list, decode: async (list: Payload[]) => list }
    const plugin = countersign({
      database: s.world.database,
      signingKey: loadSigningKey(s.world.keysFolder, 'receipt'),
      trust: { keys: [], identity: 'verified' },
      resolveSecret: () => '',
      commandsFile: 'none',
    })
    const { connection } = s.world.temporal
    const client = new Client({
      connection,
      plugins: [plugin, plugin],
      dataConverter: { payloadCodecs: [foreign] },
    })
    expect(client.options.loadedDataConverter.payloadCodecs).toHaveLength(2)
    const result = (await client.workflow.getHandle(run.workflowId).result()) as { about: string }
    expect(result.about).toContain(SECRET)
  })

  test('stores the plan once for all runs of a revision', async () => {
    const before = (await rowsOf(s)).length
    const plan: JsonObject[] = [{ name: 'end', return: { ok: true, note: 'n'.repeat(LARGE) } }]
    await s.define('same', plan, { allow: true })
    const runs = await Promise.all(Array.from({ length: 10 }, () => s.start('same')))
    for (const one of runs) await s.expectEnding(one, { state: 'completed' })
    // The plan, and the result that all of them have.
    expect((await rowsOf(s)).length - before).toBe(2)
  })

  test('is shown whole by the Temporal CLI, to who has a key', async () => {
    const endpoint = ['--codec-endpoint', `${s.world.apiUrl}/codec`]
    const { stdout } = await show(s, run.workflowId, [
      ...endpoint,
      '--codec-auth',
      `Bearer ${s.world.adminKey}`,
    ])
    expect(decodedText(stdout)).toContain(SECRET)
    expect(decodedText((await show(s, run.workflowId, [])).stdout)).not.toContain(SECRET)
    // It tries again until its own patience ends, and then tells nothing of the reason.
    const refused = ['--codec-auth', 'Bearer wrong', '--command-timeout', '2s']
    await expect(show(s, run.workflowId, [...endpoint, ...refused])).rejects.toThrow(/history event/)
  })
})

/** The CLI prints data of payloads in base64, or as JSON. */
function decodedText(output: string): string {
  const encoded = [...output.matchAll(/"data": "([A-Za-z0-9+/=]+)"/g)].map(([, data]) =>
    Buffer.from(data ?? '', 'base64').toString(),
  )
  return output + encoded.join('\n')
}

describe('a value that is gone', () => {
  let s: Scenario
  let database: Database
  let stopWorker: (() => Promise<void>) | undefined

  beforeAll(async () => {
    s = await startScenario({
      worker: false,
      beforeApply: async (world) => {
        database = createDatabase(world.databaseUrl)
        stopWorker = await startWorkerHere(world, { database, secrets: {} })
      },
    })
  })

  afterAll(async () => {
    await stopWorker?.()
    await database.end()
    await s.close()
  })

  test('stops the run with a clear word, and the run goes on when it is back', async () => {
    await s.define('gone', [LOOK, { name: 'end', return: 'e'.repeat(LARGE) }], { allow: true })
    await stopWorker?.()
    const run = await s.start('gone')
    const { rows } = await s.world.database.query<{ sha256: string; bytes: Buffer }>(
      `delete from payloads where size > ${LARGE} returning sha256, bytes`,
    )
    expect(rows).toHaveLength(1)
    stopWorker = await startWorkerHere(s.world, { database, secrets: s.secrets })
    const words = await eventually(async () => {
      const history = await historyOf(s, run.workflowId)
      return history.includes('workflowTaskFailed') && history
    })
    expect(words).toContain('PAYLOAD_UNAVAILABLE')
    expect(words).toContain(rows[0]?.sha256.slice(0, 12))
    await s.world.database.query('insert into payloads (sha256, organization, bytes) values ($1, $2, $3)', [
      rows[0]?.sha256,
      'acme',
      rows[0]?.bytes,
    ])
    await s.expectEnding(run, { state: 'completed' })
  })
})

describe('with encryption', () => {
  let s: Scenario

  beforeAll(async () => {
    s = await startScenario({ encryption: keysOf('k1') })
  })

  afterAll(() => s.close())

  const note = (about: string): JsonObject => ({
    ...NOTE,
    tool_call: { connection: 'tools', tool: 'note', arguments: { about } },
  })

  test('no history and no stored value shows what a run handles, and people still see and decide', async () => {
    await s.define('hidden', [note(`\${{ input.account }} ${SECRET}`), CHANGE, ...LOOK_AND_RETURN], ONE_LEAD)
    const run = await s.park('hidden')
    const first = run.approval
    await s.lena.decideApproval({ ...about(first), verdict: 'approve', comment: SECRET })
    const second = await eventually(async () => {
      const found = await s.approvalOf(run)
      return found.approval_id !== first.approval_id && found
    })
    // A ticket by a raw signal, which nobody encodes.
    const ticket = await s.lena.createTicket({ ...about(second), verdict: 'approve' })
    const plain = s.world.temporal.connection.workflowService
    await plain.signalWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: ticket.workflow_id },
      signalName: ticket.signal,
      input: {
        payloads: [
          {
            metadata: { encoding: Buffer.from('json/plain') },
            data: Buffer.from(JSON.stringify(ticket.input)),
          },
        ],
      },
    })
    const ending = await s.expectEnding(run, {
      state: 'completed',
      approvals: ['approved', 'approved'],
      changes: 1,
    })
    expect((ending.result as { about: string }).about).toContain(SECRET)
    const organization = 'acme'
    const ids = [first, second].flatMap(({ approval_id: approvalId, writeback_id: writebackId }) => [
      writebackWorkflowId({ organization, writebackId }),
      approvalWorkflowId({ organization, approvalId }),
    ])
    for (const id of [run.workflowId, ...ids]) expect(await historyOf(s, id)).not.toContain(SECRET)
    expect((await rowsOf(s)).filter((bytes) => bytes.includes(SECRET))).toEqual([])
    expect((await rowsOf(s)).length).toBeGreaterThan(0)
  })

  test('a failure’s words are encrypted too, and the API tells them', async () => {
    const look = s.server.tools.find(({ name }) => name === 'look')
    if (!look) throw new Error('the server has no tool look')
    look.run = () => ({ content: [{ type: 'text', text: `no account ${SECRET}` }], isError: true })
    await s.define('fails', [LOOK], { allow: true })
    const run = await s.start('fails')
    const ending = await s.expectEnding(run, { state: 'failed', code: 'TOOL_FAILED' })
    expect(ending.message).toContain(SECRET)
    expect(await historyOf(s, run.workflowId)).not.toContain(SECRET)
  })

  test('a run that was reset meets its children and ends with the same single effect', async () => {
    await s.define('reset', [CHANGE], ONE_LEAD)
    const run = await s.park('reset')
    const handle = s.world.temporal.workflow.getHandle(run.workflowId)
    const { events } = await handle.fetchHistory()
    const completed = events?.find(({ workflowTaskCompletedEventAttributes: task }) => task)
    await s.world.temporal.connection.workflowService.resetWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: run.workflowId },
      reason: 'test',
      requestId: run.runId,
      workflowTaskFinishEventId: completed?.eventId ?? null,
    })
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, { state: 'completed', writebacks: ['applied'], changes: 1 })
  })
})
