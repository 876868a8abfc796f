/** A decision that counts is answered as one, also if Temporal's own answer to it is lost. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { buildApp } from '../../api/app.ts'
import { createInspectTools } from '../../api/inspect-tools.ts'
import { createTemporalAccess } from '../../api/temporal.ts'
import { createDataConverter } from '../../codec/data-converter.ts'
import { createPayloads } from '../../codec/payloads.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import { createClient } from '../../sdk/client/index.ts'
import { CHANGE, ONE_LEAD } from '../support/automations.ts'
import { about, refusal, startScenario, type Scenario } from '../support/scenario.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { eventually } from '../support/world.ts'

/** The API gives an update three seconds, and then the signal as much: between the two ends. */
const UPDATE_GIVEN_UP_MS = 4_500

let s: Scenario
let toTemporal: TcpProxy
let apiUrl: string
let closeApi: () => Promise<void>

/** One more API of the same deployment, which reaches Temporal through the proxy. */
async function startApi(): Promise<void> {
  const { database, keysFolder, taskQueue } = s.world
  toTemporal = await startTcpProxy(`tcp://${inject('temporalAddress')}`)
  const connection = await Connection.connect({ address: `127.0.0.1:${toTemporal.port}` })
  const client = new Client({ connection, dataConverter: createDataConverter({ database }) })
  const logger = pino({ level: 'silent' })
  const uiUrl = undefined
  const temporal = createTemporalAccess({
    client,
    connection,
    namespace: 'default',
    taskQueue,
    uiUrl,
    logger,
  })
  const app = await buildApp({
    database,
    temporal,
    signingKey: loadSigningKey(keysFolder, 'decision'),
    trustedKeys: loadTrustedKeys(publicKeysFile(keysFolder)),
    inspectTools: createInspectTools(temporal),
    payloads: createPayloads({ database }),
    logger,
  })
  apiUrl = await app.listen({ host: '127.0.0.1', port: 0 })
  closeApi = async () => {
    await app.close()
    await connection.close()
    await toTemporal.close()
  }
}

beforeAll(async () => {
  s = await startScenario()
  await s.define('change', [CHANGE], ONE_LEAD)
  await startApi()
})

afterAll(async () => {
  await closeApi?.()
  await s?.close()
})

test('a decision that ends the wait is no refusal, though its answer is lost', async () => {
  const run = await s.park('change')
  const lena = createClient({ baseUrl: apiUrl, apiKey: s.lena.apiKey })
  toTemporal.hold('toClient')
  const startedAtMs = Date.now()
  const asked = lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  // It is awaited below; what goes wrong before must not leave it without anybody who listens.
  asked.catch(() => undefined)
  await s.expectEnding(run, { state: 'completed', approvals: ['approved'], changes: 1 })
  await eventually(async () => {
    const approval = s.world.temporal.workflow.getHandle(run.approval.temporal_workflow_id)
    return (await approval.describe()).status.name === 'COMPLETED'
  })
  await sleep(Math.max(0, startedAtMs + UPDATE_GIVEN_UP_MS - Date.now()))
  toTemporal.release('toClient')
  expect(await asked).toMatchObject({ state: 'approved' })
  // Somebody else is still told that it is over.
  const late = s.max.decideApproval({ ...about(run.approval), verdict: 'approve' })
  expect(await refusal(late)).toBe('410 WAIT_OVER')
})
