/**
 * A claim has to wait for the row of its connection: somebody with a login of ours holds it, or an admin saves his whole
 * folder. What he, or whoever approved, says meanwhile has been answered by the API before anything was claimed: it counts.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../sdk/client/index.ts'
import { apply } from '../support/apply.ts'
import { connections, NOTE, ONE_LEAD, policyFor } from '../support/automations.ts'
import { claimWaits, lockConnection } from '../support/locked-connection.ts'
import { about, startScenario, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

/** Longer than what people have said counts without a new look. */
const HELD_MS = 2_500

let s: Scenario
beforeAll(async () => {
  s = await startScenario()
  const patient = connections({ toolsUrl: s.server.url }).map((one) => ({
    ...one,
    spec: { ...(one['spec'] as object), timeout: '30s' },
  }))
  await apply(s.world.admin, ...patient)
  await s.define('pay-at-once', [NOTE], { allow: true })
  await s.define('pay', [NOTE], ONE_LEAD)
})
afterAll(() => s?.close())

/** Its claim waits until the function that comes back is called. */
async function held(
  start: () => Promise<StartedRun>,
): Promise<{ run: StartedRun; letGo: () => Promise<void> }> {
  const unlock = await lockConnection(s.world.database, 'tools')
  const run = await start()
  await claimWaits(s.world.database)
  const letGo = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, HELD_MS))
    await unlock()
  }
  return { run, letGo }
}

const sentFor = ({ account }: StartedRun): number =>
  s.server.calls.filter((call) => JSON.stringify(call).includes(account)).length

test('a policy that denies the write is saved while its claim waits', async () => {
  const unlock = await lockConnection(s.world.database, 'tools')
  const run = await s.start('pay-at-once')
  await claimWaits(s.world.database)
  await s.apply(policyFor('pay-at-once', { deny: true }))
  await unlock()
  await s.expectEnding(run, { writebacks: ['refused'] })
  await s.apply(policyFor('pay-at-once', { allow: true }))
})

test('connection and policy are saved together, and its claim comes between them', async () => {
  const connection = connections({ toolsUrl: s.server.url })[0]!
  // Stands for whatever makes a transaction of many manifests take a moment.
  const client = await s.world.database.connect()
  await client.query('begin; set local idle_in_transaction_session_timeout = 0')
  await client.query(`select from manifests where kind = 'Policy' and name = 'pay-at-once' for update`)
  const saving = s.apply(connection, policyFor('pay-at-once', { deny: true }))
  await eventually(async () => {
    const { rowCount } = await s.world.database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
         and query like 'insert into manifests%'`,
    )
    return rowCount === 1
  })
  const run = await s.start('pay-at-once')
  await claimWaits(s.world.database)
  await client.query('commit')
  client.release()
  await saving
  await s.expectEnding(run, { writebacks: ['refused'] })
})

test('its only approver is disabled while its claim waits', async () => {
  const { key } = await s.world.admin.createKey({
    principal: { id: 'eve@acme.example', kind: 'person', roles: ['lead'] },
    scopes: ['read', 'start', 'approve'],
  })
  const eve = createClient({ baseUrl: s.world.apiUrl, apiKey: key })
  const parked = await s.park('pay')
  const { run, letGo } = await held(async () => {
    await eve.decideApproval({ ...about(parked.approval), verdict: 'approve' })
    return parked
  })
  await s.world.admin.disablePrincipal({ principal_id: 'eve@acme.example' })
  await letGo()
  await s.expectEnding(run, { state: 'waiting_for_approval' })
  expect(sentFor(run)).toBe(0)
  await s.world.admin.cancelRun({ run_id: run.runId })
})

test('its run is cancelled while its claim waits', async () => {
  const parked = await s.park('pay')
  const { run, letGo } = await held(async () => {
    await s.lena.decideApproval({ ...about(parked.approval), verdict: 'approve' })
    return parked
  })
  await s.world.admin.cancelRun({ run_id: run.runId })
  await letGo()
  await s.expectEnding(run, { state: 'cancelled', writebacks: ['withdrawn'] })
  expect(sentFor(run)).toBe(0)
})
