/** Reset, as the button in the Temporal UI does it, and what can be seen of it. */
import { randomUUID } from 'node:crypto'
import { temporal } from '@temporalio/proto'
import { eventually, type World } from './world.ts'

const COMPLETED = temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
const STARTED = temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED

interface Run {
  workflowId: string
}

/** To its first workflow task: everything is played again. Or to its last one, with its children there already. */
export async function reset(
  world: World,
  { workflowId }: Run,
  to: 'first' | 'last' = 'first',
): Promise<void> {
  const handle = world.temporal.workflow.getHandle(workflowId)
  const [{ runId }, { events }] = [await handle.describe(), await handle.fetchHistory()]
  const completed = events?.filter(({ eventType }) => eventType === COMPLETED) ?? []
  const point = to === 'first' ? completed[0] : completed.at(-1)
  if (!point?.eventId) throw new Error('no workflow task has completed yet')
  await world.temporal.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId, runId },
    reason: 'a test',
    workflowTaskFinishEventId: point.eventId,
    requestId: randomUUID(),
  })
}

/** Until a worker waits, for the new execution, for the child that it found again. */
export async function untilAttached(world: World, { workflowId }: Run): Promise<void> {
  await eventually(async () => {
    const { raw } = await world.temporal.workflow.getHandle(workflowId).describe()
    return raw.pendingActivities?.some(
      ({ activityType, state }) => activityType?.name === 'awaitWorkflow' && state === STARTED,
    )
  })
}
