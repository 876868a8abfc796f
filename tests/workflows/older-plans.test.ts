/**
 * Both stores go back to before a write was planned, and its target does not: it still has the receipt. What the run
 * reads is another value now, so people approve another plan of the same write.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { LOOK, ONE_LEAD, SHOP } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import {
  startOwnPostgres,
  startOwnTemporal,
  type OwnPostgres,
  type OwnTemporal,
} from '../support/own-servers.ts'
import { startWorkerProcess } from '../support/own-worker.ts'
import { about, startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

describe.runIf(inject('temporalBinary') !== '')('a ledger and a Temporal from before a plan', () => {
  let postgres: OwnPostgres
  let temporal: OwnTemporal
  let s: Scenario
  let worker: Awaited<ReturnType<typeof startWorkerProcess>>
  /** What the run reads, and what it waits for. */
  const read = { level: 3, asked: 0, held: null as Promise<void> | null }

  beforeAll(async () => {
    ;[postgres, temporal] = await Promise.all([startOwnPostgres(), startOwnTemporal()])
    s = await startScenario({
      worker: false,
      servers: { databaseUrl: postgres.url, temporalAddress: temporal.address },
      beforeApply: async (world) => {
        worker = await startWorkerProcess(world)
      },
    })
    for (const tool of s.server.tools.filter(({ name }) => name === 'look'))
      tool.run = async ({ about: account }) => {
        read.asked++
        await read.held
        return { ...textResult('seen'), structuredContent: { about: account, level: read.level } }
      }
    const update = {
      table: 'accounts',
      key: { id: '${{ input.account }}' },
      set: { balance: '${{ steps.look.output.level }}' },
    }
    await s.define('set-level', [LOOK, { name: 'change', writeback: { connection: SHOP, update } }], ONE_LEAD)
  })

  afterAll(async () => {
    await worker?.kill()
    await s?.close()
    await temporal?.close()
    await postgres?.close()
  })

  test('the receipt of another plan proves nothing of this one: nobody knows, and both are told', async () => {
    let release = (): void => undefined
    read.held = new Promise((resolve) => (release = resolve))
    const run = await s.start('set-level')
    await eventually(async () => read.asked > 0)
    const [oldTemporal, oldLedger] = [await temporal.backUp(), await postgres.backUp()]
    read.held = null
    release()
    const first = await s.approvalOf(run)
    await s.lena.decideApproval({ ...about(first), verdict: 'approve' })
    await s.expectEnding(run, { state: 'completed', balance: 3, changes: 1 })
    await worker.kill()
    await postgres.restore(oldLedger)
    await temporal.restore(oldTemporal)
    read.level = 9
    worker = await startWorkerProcess(s.world)
    const second = await eventually(
      async () => (await s.world.admin.listApprovals({ run_id: run.runId })).items[0],
      90_000,
    )
    expect(second.preview?.changes).toEqual([{ field: 'balance', before: 3, after: 9 }])
    await s.lena.decideApproval({ ...about(second), verdict: 'approve' })
    await s.expectEnding(run, {
      state: 'waiting_for_resolution',
      writebacks: ['unknown'],
      receipts: ['approve by lena@acme.example', 'outcome unknown'],
      balance: 3,
      changes: 1,
    })
    const [, outcome] = await s.statements(run)
    const message = String(outcome?.predicate['message'])
    expect(message).toContain(`digest ${first.digest}: {"balance":"3"}`)
    expect(message).toContain(`digest ${second.digest}`)
  })
})
