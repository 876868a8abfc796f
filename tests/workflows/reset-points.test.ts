/**
 * Reset of each of the three executions of a write that waits, to each workflow task that it has completed: whichever it
 * is, people go on as if nothing had happened, and there is one effect. Read from the history, so a task that is added
 * one day is tried too.
 */
import type { ServerResponse } from 'node:http'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { temporal } from '@temporalio/proto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { writebackWorkflowId } from '../../schemas/names.ts'
import { NOTE, ONE_LEAD } from '../support/automations.ts'
import { textResult } from '../support/mcp-server.ts'
import { about, startScenario, type Ending, type Scenario, type StartedRun } from '../support/scenario.ts'
import { eventually } from '../support/world.ts'

const EXECUTIONS = ['run', 'writeback', 'approval'] as const
type Execution = (typeof EXECUTIONS)[number]
type Wait = 'approval' | 'resolution'

interface Story extends StartedRun {
  ids: Record<Execution, string>
  approve(): Promise<unknown>
  resolve(): Promise<unknown>
}

const COMPLETED = temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
/** Two looks this far apart that see the same: nothing is under way any more. */
const QUIET_MS = 250

const DECIDED = ['approve by lena@acme.example']
const ENDINGS: Record<Wait, Partial<Ending>> = {
  approval: { receipts: [...DECIDED, 'outcome applied'] },
  resolution: { receipts: [...DECIDED, 'outcome unknown', 'resolved applied by max@acme.example'] },
}

let s: Scenario
/** The tool has done its work for these accounts, and its answer is lost. */
const doubtful = new Set<string>()
const responses = new Map<string, ServerResponse>()

beforeAll(async () => {
  s = await startScenario({
    intercept: ({ params }, response) => {
      responses.set(String(params?.arguments?.['about']), response)
      return false
    },
  })
  const note = s.server.tools.find(({ name }) => name === 'note')
  if (!note) throw new Error('the server has no tool note')
  note.run = ({ about: account }) => {
    if (doubtful.has(String(account))) responses.get(String(account))?.destroy()
    return { ...textResult('noted'), structuredContent: { noted: account } }
  }
  await s.define('note', [{ ...NOTE, timeout: '2s' }], ONE_LEAD)
})

afterAll(() => s.close())

const handleOf = (workflowId: string) => s.world.temporal.workflow.getHandle(workflowId)

async function begin(wait: Wait): Promise<Story> {
  const run = await s.park('note')
  const { approval } = run
  const story = {
    ...run,
    ids: {
      run: run.workflowId,
      writeback: writebackWorkflowId({ organization: 'acme', writebackId: approval.writeback_id }),
      approval: approval.temporal_workflow_id,
    },
    approve: () => s.lena.decideApproval({ ...about(approval), verdict: 'approve' }),
    resolve: () =>
      s.max.resolveWriteback({
        writeback_id: approval.writeback_id,
        resolution: 'applied',
        comment: 'it is there',
      }),
  }
  if (wait === 'resolution') {
    doubtful.add(run.account)
    await story.approve()
    await s.expectEnding(run, { state: 'waiting_for_resolution', writebacks: ['unknown'], notes: 1 })
  }
  return story
}

/** The events at which its workflow tasks have completed, once it waits. */
async function pointsOf(workflowId: string) {
  return eventually(async () => {
    const earlier = await historyOf(workflowId)
    await sleep(QUIET_MS)
    const later = await historyOf(workflowId)
    if (earlier.length !== later.length) return undefined
    return later.filter(({ eventType }) => eventType === COMPLETED).map(({ eventId }) => eventId)
  })
}

async function historyOf(workflowId: string) {
  return (await handleOf(workflowId).fetchHistory()).events ?? []
}

async function reset(workflowId: string, point: Awaited<ReturnType<typeof pointsOf>>[number]) {
  const { runId } = await handleOf(workflowId).describe()
  await s.world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId, runId },
    reason: 'a test',
    ...(point ? { workflowTaskFinishEventId: point } : {}),
    requestId: randomUUID(),
  })
}

async function untilAllAreClosed({ ids }: Story): Promise<void> {
  await eventually(async () => {
    const shown = await Promise.all(Object.values(ids).map((id) => handleOf(id).describe()))
    return shown.every(({ status }) => status.name !== 'RUNNING')
  })
}

/** How many workflow tasks there were to reset to. */
async function resetTo(index: number, what: Execution, wait: Wait): Promise<number> {
  const story = await begin(wait)
  const points = await pointsOf(story.ids[what])
  await reset(story.ids[what], points[index])
  await (wait === 'approval' ? story.approve() : story.resolve())
  const ending = await s.expectEnding(story, {
    state: 'completed',
    writebacks: ['applied'],
    approvals: ['approved'],
    notes: 1,
    ...ENDINGS[wait],
  })
  await untilAllAreClosed(story)
  expect(await s.look(story)).toEqual(ending)
  return points.length
}

for (const wait of ['approval', 'resolution'] as const) {
  for (const what of EXECUTIONS) {
    test.concurrent(
      `a reset of the ${what} to any of its tasks, while the write waits for ${wait}, leaves one effect`,
      { timeout: 120_000 },
      async () => {
        let count = 1
        for (let index = 0; index < count; index++) count = await resetTo(index, what, wait)
        process.stderr.write(`[numbers] ${wait}: ${count} resets of the ${what}\n`)
      },
    )
  }
}
