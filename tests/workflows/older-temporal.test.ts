/**
 * Temporal is restored from a backup that is older than our database: what people have decided since is in the ledger,
 * and counts without their saying it again. A real server, whose store is put back.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { approvalWorkflowId, WORKFLOW_TYPES } from '../../schemas/names.ts'
import type { ApprovalInput, ApprovalResult } from '../../schemas/run.ts'
import { NOTE, ONE_LEAD } from '../support/automations.ts'
import { startOwnTemporal, type OwnTemporal } from '../support/own-servers.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { about, startScenario, type Scenario } from '../support/scenario.ts'

describe.runIf(inject('temporalBinary') !== '')('a Temporal that is older than the ledger', () => {
  let temporal: OwnTemporal
  let s: Scenario
  let stopWorker: () => Promise<void>
  const secrets: Record<string, string> = {}

  beforeAll(async () => {
    temporal = await startOwnTemporal()
    s = await startScenario({
      worker: false,
      servers: { temporalAddress: temporal.address },
      beforeApply: async (world) => {
        stopWorker = await startWorkerHere(world, { database: world.database, secrets })
      },
    })
    Object.assign(secrets, s.secrets)
    await s.define('pay', [NOTE], ONE_LEAD)
  })

  afterAll(async () => {
    await stopWorker()
    await s.close()
    await temporal.close()
  })

  test('asks nobody again for what was decided, and writes once', async () => {
    await stopWorker()
    // Accepted, and nobody has worked on it: the backup has the run before it asks anybody.
    const run = await s.start('pay')
    const backup = await temporal.backUp()
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
    const approval = await s.approvalOf(run)
    // The write waits where the connection is frozen, so that the backup forgets the decision and not the write.
    await s.world.admin.freezeConnection({ name: 'tools', reason: 'a test' })
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    await s.expectEnding(run, { approvals: ['approved'], writebacks: ['planned'] })
    await stopWorker()
    await temporal.restore(backup)
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
    await s.world.admin.thawConnection({ name: 'tools' })
    await s.expectEnding(run, {
      state: 'completed',
      writebacks: ['applied'],
      receipts: ['approve by lena@acme.example', 'outcome applied'],
      notes: 1,
    })
  })

  test('counts what is recorded when it opens an approval anew, once', async () => {
    const run = await s.park('pay')
    const { approval_id: approvalId, writeback_id: writebackId, digest } = run.approval
    await s.world.admin.freezeConnection({ name: 'tools', reason: 'a test' })
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await s.expectEnding(run, { approvals: ['approved'], writebacks: ['planned'] })
    const workflowId = approvalWorkflowId({ organization: 'acme', approvalId })
    const client = s.world.temporal
    await client.workflow.getHandle(workflowId).result()
    const asked = { digest, rule: 'pay/writes', expiresAfterMs: 3_600_000 }
    // As it starts where its first execution was forgotten.
    const input: ApprovalInput = { organization: 'acme', approvalId, writebackId, asked, kept: [] }
    const again = await client.workflow.start(WORKFLOW_TYPES.approval, {
      workflowId,
      taskQueue: s.world.taskQueue,
      args: [input],
    })
    const result = (await again.result()) as ApprovalResult
    expect(result).toMatchObject({ state: 'approved' })
    expect(result.decisions).toHaveLength(1)
    await s.world.admin.thawConnection({ name: 'tools' })
    await s.expectEnding(run, {
      state: 'completed',
      receipts: ['approve by lena@acme.example', 'outcome applied'],
      notes: 1,
    })
  })

  test('meets the outcome of what it has forgotten, and does not write it again', async () => {
    await stopWorker()
    const run = await s.start('pay')
    const backup = await temporal.backUp()
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
    const approval = await s.approvalOf(run)
    await s.lena.decideApproval({ ...about(approval), verdict: 'approve' })
    const before = await s.expectEnding(run, { state: 'completed', notes: 1 })
    await stopWorker()
    await temporal.restore(backup)
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
    await s.expectEnding(run, { state: 'completed', receipts: before.receipts, notes: 1 })
  })
})
