/**
 * Temporal is restored from a backup that is older than our database: what people have decided since is in the ledger,
 * and counts without their saying it again. A real server, whose store is put back.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { approvalWorkflowId, WORKFLOW_TYPES } from '../../schemas/names.ts'
import type { ApprovalInput, ApprovalResult } from '../../schemas/run.ts'
import { needs, NOTE, ONE_LEAD } from '../support/automations.ts'
import { startOwnTemporal, type OwnTemporal } from '../support/own-servers.ts'
import { startWorkerHere } from '../support/own-worker.ts'
import { reconcileLater } from '../support/reconcile.ts'
import { about, startScenario, type Scenario } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

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
    await s.define('pay-by-two', [NOTE], needs([{ roles: ['lead'], quorum: 2 }]))
    await s.define('ask', [QUESTION, { name: 'result', return: '${{ steps.tier.output }}' }], { allow: true })
  })

  afterAll(async () => {
    await stopWorker()
    await s.close()
    await temporal.close()
  })

  const pass = () => reconcileLater({ ...s.world, client: s.world.temporal })

  /** The first pass may find that no worker answers yet: Temporal waits a while for the one that is gone. */
  function untilReminded(): Promise<unknown> {
    return eventually(async () => (await pass()).reminded === 1)
  }

  /** Temporal forgets what happens in `work`. */
  async function forgetting(work: () => Promise<unknown>): Promise<void> {
    const backup = await temporal.backUp()
    await work()
    await stopWorker()
    await temporal.restore(backup)
    stopWorker = await startWorkerHere(s.world, { database: s.world.database, secrets })
  }

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

  test('hears what was decided of an approval that was open already, and does not write again', async () => {
    const run = await s.park('pay')
    await forgetting(async () => {
      await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
      await s.expectEnding(run, { state: 'completed', notes: 1 })
    })
    expect(await s.look(run)).toMatchObject({ state: 'running', approvals: ['approved'] })
    await untilReminded()
    await s.expectEnding(run, {
      state: 'completed',
      receipts: ['approve by lena@acme.example', 'outcome applied'],
      notes: 1,
    })
    expect(await pass()).toEqual({ reminded: 0 })
  })

  test('hears a rejection', async () => {
    const run = await s.park('pay')
    await forgetting(async () => {
      await s.lena.decideApproval({ ...about(run.approval), verdict: 'reject' })
      await s.expectEnding(run, { writebacks: ['rejected'] })
    })
    await untilReminded()
    const { receipts } = await s.expectEnding(run, { state: 'failed', code: 'REJECTED', notes: 0 })
    expect(receipts).toEqual(['reject by lena@acme.example', 'outcome rejected'])
  })

  test('hears the answer to a question', async () => {
    const run = await s.park('ask')
    const { approval } = run
    await forgetting(async () => {
      await s.lena.answerAsk({ ...about(approval), answer: { tier: 'gold' } })
      await s.expectEnding(run, { state: 'completed' })
    })
    await untilReminded()
    await s.expectEnding(run, {
      state: 'completed',
      result: { tier: 'gold' },
      receipts: ['approve by lena@acme.example'],
    })
  })

  test('hears the first of two votes, once, however often it is told', async () => {
    const run = await s.park('pay-by-two')
    const { approval } = run
    await forgetting(() => s.lena.decideApproval({ ...about(approval), verdict: 'approve' }))
    const handle = s.world.temporal.workflow.getHandle(approval.temporal_workflow_id)
    const lengthAfterPass = async (): Promise<number> => {
      await eventually(pass)
      return (await handle.describe()).historyLength
    }
    const length = await lengthAfterPass()
    expect(await lengthAfterPass()).toBe(length)
    await s.max.decideApproval({ ...about(approval), verdict: 'approve' })
    await s.expectEnding(run, {
      state: 'completed',
      receipts: ['approve by lena@acme.example', 'approve by max@acme.example', 'outcome applied'],
      notes: 1,
    })
  })
})

const QUESTION = {
  name: 'tier',
  ask: {
    title: 'Which tier has ${{ input.account }}?',
    form: {
      type: 'object',
      properties: { tier: { enum: ['gold', 'plain'] } },
      required: ['tier'],
      additionalProperties: false,
    },
    of: { roles: ['lead'] },
  },
}
