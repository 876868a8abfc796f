/** What is recorded of runs, real and dry, that stand on an activity: a call that is not answered, code that goes on. */
import { test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { WORKFLOW_TYPES } from '../../schemas/names.ts'
import { LOOK, ONE_LEAD } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import type { Scenario, StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

interface Recording {
  scenario: () => Scenario
  over: (run: StartedRun) => Promise<void>
  record: (run: StartedRun, name: string) => Promise<void>
  recordOne: (workflowId: string, name: string) => Promise<void>
}

const ENDLESS: JsonObject = {
  name: 'sum',
  code: { source: 'export default () => { for (;;); }', timeout: '20s' },
}

export function recordParked({ scenario, over, record, recordOne }: Recording): void {
  test('stands on a reading that is not answered', async () => {
    const s = scenario()
    await s.define('held', [LOOK], ONE_LEAD)
    await withHeldReading(s, async () => {
      const run = await s.start('held')
      await standsOn(s, run.workflowId, 'perform')
      await record(run, 'read-waiting')
      await s.world.admin.cancelRun({ run_id: run.runId })
      await over(run)
      await record(run, 'read-cancelled')
    })
  })

  test('stands on code that goes on', async () => {
    const s = scenario()
    await s.define('endless', [ENDLESS], ONE_LEAD)
    const run = await s.start('endless')
    await standsOn(s, run.workflowId, 'runCode')
    await record(run, 'code-waiting')
    await s.world.admin.cancelRun({ run_id: run.runId })
    await over(run)
    await record(run, 'code-cancelled')
  })

  test('is dry, and stands on a reading or on code', async () => {
    const s = scenario()
    const reading = await withHeldReading(s, () => startDry('held', 'preview', 'dry-run-waiting-for-reading'))
    await reading.told
    const code = await startDry('endless', 'runCode', 'dry-run-waiting-for-code')
    await code.told
  })

  /** `told` keeps until the dry run is over, with what it came to. */
  async function startDry(
    automation: string,
    activity: string,
    name: string,
  ): Promise<{ told: Promise<unknown> }> {
    const s = scenario()
    const told = s.clerk.dryRun({
      name: automation,
      input: { account: 'account-dry', balance: 3 },
      answers: {},
    })
    const workflowId = await eventually(() => openDryRun(s, automation))
    await standsOn(s, workflowId, activity)
    await recordOne(workflowId, name)
    return { told }
  }
}

async function withHeldReading<T>(s: Scenario, record: () => Promise<T>): Promise<T> {
  const look = s.server.tools.find(({ name }) => name === 'look')
  if (!look) throw new Error('there is a tool look')
  const { run: good } = look
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  look.run = () => released.then(() => textResult('at last'))
  try {
    return await record()
  } finally {
    look.run = good
    release()
  }
}

async function openDryRun(s: Scenario, automation: string): Promise<string | undefined> {
  const query = `WorkflowType = '${WORKFLOW_TYPES.dryRun}' AND ExecutionStatus = 'Running'`
  for await (const { workflowId, taskQueue } of s.world.temporal.workflow.list({ query }))
    if (taskQueue === s.world.taskQueue && workflowId.includes(`/${automation}/`)) return workflowId
  return undefined
}

async function standsOn(s: Scenario, workflowId: string, activity: string): Promise<void> {
  await eventually(async () => {
    const { raw } = await s.world.temporal.workflow.getHandle(workflowId).describe()
    return raw.pendingActivities?.some(({ activityType }) => activityType?.name === activity)
  })
}
