/**
 * Lets runs go through everything a run can meet, and records them. Not a test, though it runs as one: it needs the
 * same stack. Each scenario is recorded where it waits, and when it is over.
 */
import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JsonObject } from '../../lib/json.ts'
import { resolutionWorkflowId, WORKFLOW_TYPES } from '../../schemas/names.ts'
import { CHANGE, LOOK, needs, NOTE, ONE_LEAD } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { reset, untilAttached } from '../support/resets.ts'
import { about, startScenario, type Person, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'
import { recordBlocks } from './block-scenarios.ts'
import {
  HISTORIES_FOLDER,
  readHistories,
  workflowTypeOf,
  WRONG_PREFIX,
  writeHistory,
  type HistoryEvent,
  type RecordedHistory,
} from './histories.ts'
import { recordParked } from './parked-scenarios.ts'

const RESULT: JsonObject = { name: 'result', return: { level: '${{ steps.look.output.level }}' } }
const RETURN: JsonObject = { name: 'result', return: { account: '${{ input.account }}' } }
const TWO_LEADS = needs([{ roles: ['lead'], quorum: 2 }])

let s: Scenario

beforeAll(async () => {
  for (const file of readdirSync(HISTORIES_FOLDER))
    if (file.endsWith('.json')) rmSync(join(HISTORIES_FOLDER, file))
  s = await startScenario()
  await s.define('read', [LOOK, RESULT], ONE_LEAD)
  await s.define('free-call', [{ ...NOTE, if: 'input.balance > 0' }, RETURN], { allow: true })
  await s.define('skipped', [{ ...NOTE, if: 'input.balance < 0' }, RETURN], { allow: true })
  await s.define('free-write', [CHANGE], { allow: true })
  await s.define('denied', [CHANGE], { deny: true })
  await s.define('gated-call', [NOTE], ONE_LEAD)
  await s.define('gated-write', [LOOK, CHANGE, RESULT], ONE_LEAD)
  await s.define('two-votes', [CHANGE], TWO_LEADS)
  await s.define('hasty', [CHANGE], needs([{ roles: ['lead'] }], { expires_after: '1s' }))
})

afterAll(() => s.close())

test('ends without waiting', async () => {
  for (const name of ['read', 'free-call', 'skipped', 'free-write', 'denied']) {
    const run = await s.start(name)
    await over(run)
    await record(run, name)
  }
})

test('waits, and is approved by an update or rejected', async () => {
  for (const name of ['gated-call', 'gated-write'] as const) {
    const run = await s.park(name)
    await record(run, `${name}-waiting`)
    await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
    await over(run)
    await record(run, `${name}-approved-by-update`)
  }
  const run = await s.park('gated-write')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'reject', comment: 'not today' })
  await over(run)
  await record(run, 'gated-write-rejected')
})

test('waits, and is approved by signals, of which some are refused', async () => {
  const run = await s.park('gated-write')
  const approval = s.world.temporal.workflow.getHandle(run.approval.temporal_workflow_id)
  await approval.signal('approve', { by: 'lena@acme.example' })
  await approval.signal('reject', 'nonsense')
  await approval.signal('approve', await ticketOf(s.clerk, run))
  await eventually(
    async () => (await approval.query<{ refusals: unknown[] }>('getApproval')).refusals.length === 3,
  )
  await record(run, 'gated-write-refused-signals')
  await approval.signal('approve', await ticketOf(s.lena, run))
  await over(run)
  await record(run, 'gated-write-approved-by-signal')

  const forwarded = await s.park('gated-write')
  await s.world.temporal.workflow
    .getHandle(forwarded.workflowId)
    .signal('approve', await ticketOf(s.lena, forwarded))
  await over(forwarded)
  await record(forwarded, 'gated-write-approved-through-the-run')
})

test('waits for two votes', async () => {
  const run = await s.park('two-votes')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await record(run, 'two-votes-one-given')
  await s.max.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await over(run)
  await record(run, 'two-votes-approved')
})

test('is asked again when the policy has become stricter', async () => {
  const run = await s.park('gated-write')
  await s.define('gated-write', [LOOK, CHANGE, RESULT], TWO_LEADS)
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const second = await eventually(async () =>
    (await s.world.admin.listApprovals({ run_id: run.runId })).items.find(({ approval_id: id }) =>
      id.endsWith('ask2'),
    ),
  )
  await eventually(
    async () => (await s.world.admin.getApproval({ approval_id: second.approval_id })).votes.length === 1,
  )
  await record(run, 'asked-again-waiting')
  await s.max.decideApproval({ ...about(second), verdict: 'approve' })
  await over(run)
  await record(run, 'asked-again-approved')
  await s.define('gated-write', [LOOK, CHANGE, RESULT], ONE_LEAD)
})

test('ends without a decision', async () => {
  const expired = await s.start('hasty')
  await over(expired)
  await record(expired, 'expired')
  const cancelled = await s.park('gated-write')
  await s.world.admin.cancelRun({ run_id: cancelled.runId })
  await over(cancelled)
  await record(cancelled, 'withdrawn-by-cancel')
  const terminated = await s.park('gated-write')
  await s.world.temporal.workflow.getHandle(terminated.workflowId).terminate('recorded')
  await eventually(async () => (await s.look(terminated)).writebacks[0] === 'withdrawn')
  await closed(terminated)
  await record(terminated, 'withdrawn-by-terminate')
})

test('fails', async () => {
  const look = s.server.tools.find(({ name }) => name === 'look')
  if (!look) throw new Error('there is a tool look')
  const { run: good } = look
  look.run = () => ({ ...textResult('out of order'), isError: true })
  try {
    const run = await s.start('read')
    await over(run)
    await record(run, 'failed-call')
  } finally {
    look.run = good
  }
  await s.define('unresolved', [{ name: 'result', return: { x: '${{ input.nothing }}' } }], { allow: true })
  const unresolved = await s.start('unresolved')
  await over(unresolved)
  await record(unresolved, 'failed-reference')
})

test('is planned anew when its target has changed', async () => {
  const run = await s.park('gated-write')
  await s.shop.query('update accounts set balance = 55 where id = $1', [run.account])
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  const second = await eventually(async () =>
    (await s.world.admin.listApprovals({ run_id: run.runId })).items.find(
      ({ writeback_id: id }) => id !== run.approval.writeback_id,
    ),
  )
  await record(run, 'second-round-waiting')
  await s.max.decideApproval({ ...about(second), verdict: 'approve' })
  await over(run)
  await record(run, 'second-round-approved')
})

test('waits for a person to say what became of a write', async () => {
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('there is a tool note')
  const { run: good } = note
  note.run = (_args, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))))
  const olga = await s.world.as('olga@acme.example', ['operator'])
  const [resolved, cancelled] = [await s.start('free-call'), await s.start('free-call')]
  const writebackId = async (run: StartedRun): Promise<string> =>
    eventually(async () => {
      const { state, writebacks } = await s.world.admin.getRun({ run_id: run.runId })
      const [child] = (await treeOf(run.workflowId)).slice(1)
      return state === 'waiting_for_resolution' && child && writebacks[0]?.writeback_id
    })
  const ids = [await writebackId(resolved), await writebackId(cancelled)]
  note.run = good
  await record(resolved, 'unknown-waiting')
  await olga.resolveWriteback({ writeback_id: ids[0] ?? '', resolution: 'applied' })
  await over(resolved)
  await record(resolved, 'unknown-resolved-by-update')
  await s.world.admin.cancelRun({ run_id: cancelled.runId })
  await over(cancelled)
  await record(cancelled, 'unknown-cancelled')
  const answer = await olga.resolveWriteback({ writeback_id: ids[1] ?? '', resolution: 'not_applied' })
  const { resolution_id: resolutionId } = answer
  await recordOne(resolutionWorkflowId({ organization: 'acme', resolutionId }), 'resolved-apart')
})

recordBlocks({ scenario: () => s, over, record: (run, name) => record(run, name) })
recordParked({ scenario: () => s, over, record: (run, name) => record(run, name), recordOne })

test('is reset while it waits, and finds its children again', async () => {
  const run = await s.park('gated-write')
  await reset(s.world, run)
  await untilAttached(s.world, run)
  await record(run, 'reset-attached', 'run')
  await s.lena.decideApproval({ ...about(run.approval), verdict: 'approve' })
  await over(run)
  await record(run, 'reset-approved', 'run')
})

test('is reset when its child has ended behind the back of both, and asks for what became of it', async () => {
  const run = await s.park('gated-write')
  await s.world.temporal.workflow.getHandle(run.workflowId).terminate('recorded')
  await eventually(async () => (await s.look(run)).writebacks[0] === 'withdrawn')
  await reset(s.world, run, 'last')
  await over(run)
  await record(run, 'reset-behind-end', 'run')
})

test('looks at a connection', async () => {
  const workflowId = `inspect-recorded-${randomUUID()}`
  await s.world.temporal.workflow.execute(WORKFLOW_TYPES.inspectConnection, {
    workflowId,
    taskQueue: s.world.taskQueue,
    args: [{ organization: s.world.organization, connection: 'tools' }],
  })
  await recordOne(workflowId, 'inspect-connection')
})

test('is dry', async () => {
  const code = { source: 'export default () => 1' }
  const fork = { name: 'fork', parallel: { branches: { one: [CHANGE], two: [{ name: 'sum', code }, NOTE] } } }
  const end = { name: 'end', return: '${{ steps.fork.output.one.balance }}' }
  const nap = { name: 'nap', sleep: { for: '9d' } }
  await s.define('dry', [LOOK, nap, fork, end], ONE_LEAD)
  const account = 'account-dry'
  await s.shop.query('insert into accounts (id) values ($1)', [account])
  for (const answers of [{}, { 'fork.one.change': { balance: '3' } }]) {
    const told = await s.clerk.dryRun({ name: 'dry', input: { account, balance: 3 }, answers })
    await recordOne(told.temporal_workflow_id, `dry-run-${told.state}`)
  }
})

test('keeps the house in order', async () => {
  for (const type of [WORKFLOW_TYPES.reconcile, WORKFLOW_TYPES.retention]) {
    const workflowId = `${type}-${randomUUID()}`
    await s.world.temporal.workflow.execute(type, { workflowId, taskQueue: s.world.taskQueue })
    await recordOne(workflowId, type === WORKFLOW_TYPES.reconcile ? 'reconcile' : 'retention')
  }
})

test('all workflow types are among what was recorded, and so are histories that do not fit', () => {
  const recorded = readHistories()
  const types = new Set(recorded.map(({ history }) => workflowTypeOf(history)))
  expect([...types].sort()).toEqual(Object.values(WORKFLOW_TYPES).sort())
  writeWrong(recorded)
})

async function over(run: StartedRun): Promise<void> {
  const open = ['running', 'waiting_for_approval', 'waiting_for_resolution']
  await eventually(async () => !open.includes((await s.look(run)).state))
  await closed(run)
}

/** Children of a run that was terminated end after it. */
async function closed(run: StartedRun): Promise<void> {
  await eventually(async () => {
    const trees = await treeOf(run.workflowId)
    const described = await Promise.all(
      trees.map((workflowId) => s.world.temporal.workflow.getHandle(workflowId).describe()),
    )
    return described.every(({ status }) => status.name !== 'RUNNING')
  })
}

async function ticketOf(
  person: Person,
  { approval }: { approval: Parameters<typeof about>[0] },
): Promise<JsonObject> {
  const { input } = await person.createTicket({ ...about(approval), verdict: 'approve' })
  return input as unknown as JsonObject
}

/** The run and all its descendants, in the order in which they were started. */
async function treeOf(workflowId: string): Promise<string[]> {
  const history = await s.world.temporal.workflow.getHandle(workflowId).fetchHistory()
  const children = (history.events ?? []).flatMap(
    ({ startChildWorkflowExecutionInitiatedEventAttributes: child }) => child?.workflowId ?? [],
  )
  const below = await Promise.all(children.map((child) => treeOf(child)))
  return [workflowId, ...below.flat()]
}

/** `<name>.<run|writeback|approval>`, further ones of a kind numbered in the order of their start, or only the run. */
async function record(run: StartedRun, name: string, only?: 'run'): Promise<void> {
  const known = new Map<string, number>()
  for (const workflowId of await treeOf(run.workflowId)) {
    const kind = workflowId.split('/', 1)[0] ?? ''
    const ask = /\/ask(\d+)$/.exec(workflowId)?.[1] ?? ''
    const round = /\.([2-9])(?:\/ask\d+)?$/.exec(workflowId)?.[1]
    const which = `${kind}${round ? `-round${round}` : ''}${ask}`
    if (only !== undefined && kind !== only) continue
    const number = (known.get(which) ?? 0) + 1
    known.set(which, number)
    await recordOne(workflowId, `${name}.${which}${number > 1 ? `-no${number}` : ''}`)
  }
}

/** Without a task under way: what was recorded ends where the workflow had nothing more to say. */
async function recordOne(workflowId: string, name: string): Promise<void> {
  const handle = s.world.temporal.workflow.getHandle(workflowId)
  const history = await eventually(async () => {
    const fetched = await handle.fetchHistory()
    const { raw } = await handle.describe()
    const isQuiet =
      !raw.pendingWorkflowTask &&
      raw.workflowExecutionInfo?.historyLength?.toString() === String(fetched.events?.length)
    return isQuiet && fetched
  })
  writeHistory({ name, history: JSON.parse(historyToJSON(history)) as RecordedHistory['history'] })
}

/** Histories of other code: it called something else first, or waited before it called. */
function writeWrong(recorded: RecordedHistory[]): void {
  const events = recorded.find(({ name }) => name === 'read.run')?.history.events ?? []
  const isCall = ({ eventType }: HistoryEvent) => eventType === 'EVENT_TYPE_ACTIVITY_TASK_SCHEDULED'
  const position = events.findIndex(isCall)
  const call = events[position]
  if (!call) throw new Error('the history of a reading is missing')
  const attributes = call['activityTaskScheduledEventAttributes'] as object
  const other = { ...attributes, activityType: { name: 'anotherActivity' } }
  writeHistory({
    name: `${WRONG_PREFIX}activity`,
    history: { events: events.with(position, { ...call, activityTaskScheduledEventAttributes: other }) },
  })
  const timer: HistoryEvent = {
    eventId: call['eventId'],
    eventTime: call['eventTime'],
    eventType: 'EVENT_TYPE_TIMER_STARTED',
    timerStartedEventAttributes: {
      timerId: '1',
      startToFireTimeout: '60s',
      workflowTaskCompletedEventId: String(position),
    },
  }
  writeHistory({ name: `${WRONG_PREFIX}timer`, history: { events: [...events.slice(0, position), timer] } })
}
