/**
 * The attacker types what docs/security/attacks.md shows: Temporal's own command line, with nothing of ours around it.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import {
  approve,
  codeOf,
  finished,
  refusals,
  startAttackWorld,
  type AttackWorld,
  type Parked,
} from '../support/attack-world.ts'

const run = promisify(execFile)
const program = inject('temporalBinary')

let attack: AttackWorld

/** A line as somebody types it into a shell. */
const typed = (command: string) =>
  run('sh', [
    '-c',
    `${command.replace(/^temporal /, `'${program}' `)} --address ${inject('temporalAddress')}`,
  ])

async function expectOnlyTheLeadCounts(parked: Parked): Promise<void> {
  expect(await attack.amountOf(parked)).toBe(100)
  expect(await approve(attack.lead, parked.approval)).toBe('approved')
  expect((await finished(attack.world, parked.runId)).state).toBe('completed')
  expect(await attack.amountOf(parked)).toBe(7)
}

// Without our own server (TEMPORAL_ADDRESS) there is no program that is sure to be there.
describe.skipIf(program === '')('typed into a shell,', () => {
  beforeAll(async () => {
    attack = await startAttackWorld()
  })

  afterAll(() => attack.close())

  test('a signal with a name is refused', async () => {
    const parked = await attack.park()
    const id = parked.approval.temporal_workflow_id
    await typed(
      `temporal workflow signal --workflow-id '${id}' --name approve --input '{"by": "lena@acme.example"}'`,
    )
    expect(await refusals(attack.world, parked.approval)).toEqual(['UNVERIFIED'])
    const { stdout } = await typed(`temporal workflow query --workflow-id '${id}' --type getApproval`)
    expect(stdout).toContain('UNVERIFIED')
    await expectOnlyTheLeadCounts(parked)
  })

  test('the command of a ticket counts where it was made for, and nowhere else', async () => {
    const [parked, other] = [await attack.park(), await attack.park()]
    const { approval_id, digest, temporal_workflow_id } = other.approval
    const { command } = await attack.lead.createTicket({ approval_id, verdict: 'approve', digest })
    await typed(command.replace(temporal_workflow_id, parked.approval.temporal_workflow_id))
    expect(await refusals(attack.world, parked.approval)).toEqual(['STALE_DIGEST'])
    await typed(command)
    expect((await finished(attack.world, other.runId)).state).toBe('completed')
    await expectOnlyTheLeadCounts(parked)
  })

  test('an approval that does not fit the ledger ends', async () => {
    const parked = await attack.park()
    const { approval_id: id } = parked.approval
    const asked = { digest: 'c'.repeat(64), rule: 'made-up/anybody', expiresAfterMs: 60_000 }
    const input = { organization: 'acme', approvalId: `${id}/ask9`, writebackId: id, kept: [], asked }
    await typed(
      `temporal workflow start --type ${WORKFLOW_TYPES.approval} --task-queue ${attack.world.taskQueue} --workflow-id 'approval/acme/${id}/ask9' --input '${JSON.stringify(input)}'`,
    )
    const forged = attack.world.temporal.workflow.getHandle(`approval/acme/${id}/ask9`)
    expect(await codeOf(forged.result())).toBe('UNKNOWN_ORIGIN')
    await expectOnlyTheLeadCounts(parked)
  })

  test('a run that no delivery started writes nothing', async () => {
    const parked = await attack.park()
    const history = await attack.world.temporal.workflow.getHandle(parked.runWorkflowId).fetchHistory()
    const payloads = history.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? []
    const [start, plan] = payloads.map(({ data }) => Buffer.from(data ?? '').toString('utf8'))
    const forged = JSON.stringify({
      ...(JSON.parse(start ?? '') as object),
      runId: 'run_made_up',
      searchAttributes: false,
    })
    await typed(
      `temporal workflow start --type ${WORKFLOW_TYPES.automation} --task-queue ${attack.world.taskQueue} --workflow-id run/acme/mine --input '${forged}' --input '${plan}'`,
    )
    const mine = attack.world.temporal.workflow.getHandle('run/acme/mine')
    expect(await codeOf(mine.result())).toBe('UNKNOWN_ORIGIN')
    await expectOnlyTheLeadCounts(parked)
  })

  const { automation, writeback, approval, resolution, dryRun, inspectConnection } = WORKFLOW_TYPES
  test.each([automation, writeback, approval, resolution, dryRun, inspectConnection])(
    '%s with any input ends, and does not try for ever',
    async (type) => {
      for (const input of ['', "--input '{}'", "--input 'null'", "--input '7' --input '[]'"]) {
        const id = `anything/${type}/${Math.random()}`
        await typed(
          `temporal workflow start --type ${type} --task-queue ${attack.world.taskQueue} --workflow-id ${id} ${input}`,
        )
        const handle = attack.world.temporal.workflow.getHandle(id)
        expect(await codeOf(handle.result())).toBe('INVALID_INPUT')
      }
    },
  )

  test('an approval whose kept votes are no list ends too', async () => {
    const asked = { digest: 'c'.repeat(64), rule: 'made-up/anybody', expiresAfterMs: 60_000 }
    for (const kept of [undefined, null, 7, {}]) {
      const id = `anything/kept/${Math.random()}`
      const input = { organization: 'acme', approvalId: id, writebackId: id, asked, kept }
      await typed(
        `temporal workflow start --type ${approval} --task-queue ${attack.world.taskQueue} --workflow-id ${id} --input '${JSON.stringify(input)}'`,
      )
      const handle = attack.world.temporal.workflow.getHandle(id)
      expect(await codeOf(handle.result())).toBe('INVALID_INPUT')
    }
  })
})
