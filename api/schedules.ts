/**
 * The Schedules that keep the house in order: made when Temporal first answers, and brought up to date when they are
 * there, so that any number of API processes may do it at once. Whether an operator has paused one is left as it is.
 */
import { ScheduleAlreadyRunning, ScheduleOverlapPolicy, type ScheduleSpec } from '@temporalio/client'
import { scheduleId, WORKFLOW_TYPES } from '../schemas/names.ts'
import { withPatience, type TemporalAccess } from './temporal.ts'

export const RECONCILE_EVERY_MS = 60_000

interface Schedule {
  kind: Parameters<typeof scheduleId>[0]
  workflowType: string
  spec: ScheduleSpec
  summary: string
}

const SCHEDULES: readonly Schedule[] = [
  {
    kind: 'reconcile',
    workflowType: WORKFLOW_TYPES.reconcile,
    spec: { intervals: [{ every: RECONCILE_EVERY_MS }] },
    summary: 'Closes writes and approvals whose execution is over.',
  },
  {
    kind: 'retention',
    workflowType: WORKFLOW_TYPES.retention,
    // At night, and not on the hour, when everything else is.
    spec: { calendars: [{ hour: 3, minute: 17 }] },
    summary: 'Deletes what is no longer needed.',
  },
]

/** Throws while Temporal is away. */
export async function ensureSchedules(temporal: TemporalAccess): Promise<void> {
  for (const schedule of SCHEDULES) await withPatience(temporal, () => ensure(temporal, schedule))
}

async function ensure(
  { client, taskQueue }: TemporalAccess,
  { kind, workflowType, spec, summary }: Schedule,
): Promise<void> {
  const id = scheduleId(kind, taskQueue)
  const definition = {
    spec,
    action: {
      type: 'startWorkflow' as const,
      workflowType,
      workflowId: id,
      taskQueue,
      args: [],
      // A pass that hangs must not keep the next one away for good.
      workflowExecutionTimeout: '30m' as const,
      staticSummary: summary,
    },
    policies: {
      overlap: ScheduleOverlapPolicy.SKIP,
      // A round that was missed is made up for by the next one.
      catchupWindow: '1m' as const,
    },
  }
  try {
    await client.schedule.create({ scheduleId: id, ...definition })
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error
    await client.schedule.getHandle(id).update(({ state }) => ({ ...definition, state }))
  }
}
