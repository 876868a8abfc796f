/**
 * What Temporal's history says of the steps of a run: every call to the outside with its attempts, every child. It needs
 * no worker. Which step an event belongs to is in the input of the activity or of the child.
 */
import type { temporal as proto } from '@temporalio/proto'
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common'
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
} from '@temporalio/common/lib/internal-non-workflow/index.js'
import { optionalTsToMs } from '@temporalio/common/lib/time.js'
import { z } from 'zod'
import { WORKFLOW_TYPES } from '../schemas/names.ts'
import type { AttemptView } from '../schemas/operations/runs.ts'
import type { ExecutionFacts } from './run-state.ts'
import { withPatience, workflowUrl, type TemporalAccess } from './temporal.ts'

type HistoryEvent = proto.api.history.v1.IHistoryEvent
type Failure = proto.api.failure.v1.IFailure
type Timestamp = Parameters<typeof optionalTsToMs>[0]

export interface StepAttempt extends AttemptView {
  path: string
}

/** A run ends before its history is longer than this. */
const MAX_PAGES = 40
const HISTORY_PATIENCE_MS = 10_000

const OriginSchema = z.object({ path: z.string().min(1) })
/** The first argument of what belongs to a step: a call, something with a call, or a run that has a parent. */
const StepInputSchema = z.union([
  z.object({ origin: OriginSchema }).transform(({ origin }) => origin.path),
  z.object({ call: z.object({ origin: OriginSchema }) }).transform(({ call }) => call.origin.path),
  z.object({ parent: OriginSchema }).transform(({ parent }) => parent.path),
])

/** In the order in which they were scheduled. */
export async function attemptsOf(
  temporal: TemporalAccess,
  execution: { workflowId: string; runId: string },
  facts: ExecutionFacts,
): Promise<StepAttempt[]> {
  const events = await withPatience(temporal, () => loadHistory(temporal, execution), HISTORY_PATIENCE_MS)
  const byEvent = new Map<string, StepAttempt>()
  const byActivity = new Map<string, StepAttempt>()
  for (const event of events) {
    const begun = await beginning(temporal, event)
    if (begun) byEvent.set(String(event.eventId), begun)
    const activityId = event.activityTaskScheduledEventAttributes?.activityId
    if (begun && activityId) byActivity.set(activityId, begun)
    const change = changeIn(event)
    const changed = change && byEvent.get(String(change.of))
    if (changed) Object.assign(changed, await changesOf(temporal, change, event))
  }
  for (const pending of facts.pendingActivities) {
    const attempt = byActivity.get(pending.activityId ?? '')
    if (attempt) Object.assign(attempt, await pendingChanges(temporal, pending))
  }
  return [...byEvent.values()]
}

async function loadHistory(
  { connection, namespace }: TemporalAccess,
  execution: { workflowId: string; runId: string },
): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = []
  let nextPageToken: Uint8Array | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await connection.workflowService.getWorkflowExecutionHistory({
      namespace,
      execution,
      ...(nextPageToken ? { nextPageToken } : {}),
    })
    events.push(...(answer.history?.events ?? []))
    if (!answer.nextPageToken?.length) return events
    nextPageToken = answer.nextPageToken
  }
  return events
}

/** The attempt that an event begins, if it belongs to a step. */
async function beginning(temporal: TemporalAccess, event: HistoryEvent): Promise<StepAttempt | undefined> {
  const activity = event.activityTaskScheduledEventAttributes
  const child = event.startChildWorkflowExecutionInitiatedEventAttributes
  const { input } = activity ?? child ?? {}
  if (!input?.payloads?.length) return undefined
  const [first] = await decodeArrayFromPayloads(
    temporal.client.options.loadedDataConverter,
    input.payloads.slice(0, 1),
  )
  const path = StepInputSchema.safeParse(first)
  if (!path.success) return undefined
  const workflowId = child?.workflowId ?? null
  const isRun = child?.workflowType?.name === WORKFLOW_TYPES.automation
  return {
    path: path.data,
    kind: activity ? 'call' : isRun ? 'run' : 'writeback',
    state: 'scheduled',
    attempt: 1,
    scheduled_at: isoOf(event.eventTime),
    started_at: null,
    closed_at: null,
    next_attempt_at: null,
    failure: null,
    temporal_workflow_id: workflowId,
    temporal_ui_url: workflowId && workflowUrl(temporal, workflowId),
  }
}

interface Change {
  /** Id of the event that began it. */
  of: unknown
  state: AttemptView['state']
  attempt?: number | undefined
  failure?: Failure | null | undefined
}

/** What an event says about an attempt that was begun before. */
function changeIn(event: HistoryEvent): Change | undefined {
  return activityChange(event) ?? childChange(event)
}

function activityChange(event: HistoryEvent): Change | undefined {
  const started = event.activityTaskStartedEventAttributes
  if (started)
    return {
      of: started.scheduledEventId,
      state: 'running',
      attempt: started.attempt ?? 1,
      failure: started.lastFailure,
    }
  const { activityTaskCompletedEventAttributes: completed, activityTaskFailedEventAttributes: failed } = event
  const { activityTaskTimedOutEventAttributes: timedOut, activityTaskCanceledEventAttributes: cancelled } =
    event
  if (completed) return { of: completed.scheduledEventId, state: 'completed' }
  if (failed) return { of: failed.scheduledEventId, state: 'failed', failure: failed.failure }
  if (timedOut) return { of: timedOut.scheduledEventId, state: 'timed_out', failure: timedOut.failure }
  return cancelled ? { of: cancelled.scheduledEventId, state: 'cancelled' } : undefined
}

function childChange(event: HistoryEvent): Change | undefined {
  const started = event.childWorkflowExecutionStartedEventAttributes
  if (started) return { of: started.initiatedEventId, state: 'running' }
  const completed = event.childWorkflowExecutionCompletedEventAttributes
  if (completed) return { of: completed.initiatedEventId, state: 'completed' }
  const failed = event.childWorkflowExecutionFailedEventAttributes
  if (failed) return { of: failed.initiatedEventId, state: 'failed', failure: failed.failure }
  const ended =
    event.childWorkflowExecutionCanceledEventAttributes ??
    event.childWorkflowExecutionTerminatedEventAttributes
  if (ended) return { of: ended.initiatedEventId, state: 'cancelled' }
  const timedOut = event.childWorkflowExecutionTimedOutEventAttributes
  return timedOut ? { of: timedOut.initiatedEventId, state: 'timed_out' } : undefined
}

async function changesOf(
  temporal: TemporalAccess,
  change: Change,
  event: HistoryEvent,
): Promise<Partial<AttemptView>> {
  const at = isoOf(event.eventTime)
  const failure = change.failure ? { failure: await failureView(temporal, change.failure) } : {}
  if (change.state !== 'running') return { state: change.state, closed_at: at, ...failure }
  return { state: 'running', started_at: at, attempt: change.attempt ?? 1, ...failure }
}

type Pending = ExecutionFacts['pendingActivities'][number]

/** PENDING_ACTIVITY_STATE_STARTED of Temporal's API. */
const PENDING_STARTED = 2

async function pendingChanges(temporal: TemporalAccess, pending: Pending): Promise<Partial<AttemptView>> {
  const isRunning = pending.state === PENDING_STARTED
  return {
    state: isRunning ? 'running' : 'scheduled',
    attempt: pending.attempt ?? 1,
    started_at: isoOf(pending.lastStartedTime),
    next_attempt_at: !isRunning && (pending.attempt ?? 1) > 1 ? isoOf(pending.scheduledTime) : null,
    failure: pending.lastFailure ? await failureView(temporal, pending.lastFailure) : null,
  }
}

async function failureView(
  temporal: TemporalAccess,
  failure: Failure,
): Promise<{ code: string; message: string }> {
  const error = await decodeOptionalFailureToOptionalError(
    temporal.client.options.loadedDataConverter,
    failure,
  )
  const message = error?.message ?? ''
  if (error instanceof ApplicationFailure) return { code: error.type ?? 'STEP_FAILED', message }
  if (error instanceof TimeoutFailure) return { code: 'CALL_TIMEOUT', message }
  const isOver = error instanceof CancelledFailure || error instanceof TerminatedFailure
  if (isOver || !(error?.cause instanceof ApplicationFailure)) {
    return { code: isOver ? 'CANCELLED' : 'STEP_FAILED', message }
  }
  return { code: error.cause.type ?? 'STEP_FAILED', message: error.cause.message }
}

function isoOf(time: Timestamp): string | null {
  const timeMs = optionalTsToMs(time)
  return timeMs === undefined ? null : new Date(timeMs).toISOString()
}
