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
import { goneValue } from './gone-values.ts'
import type { ExecutionFacts } from './run-state.ts'
import { withPatience, workflowUrl, type TemporalAccess } from './temporal.ts'

type HistoryEvent = proto.api.history.v1.IHistoryEvent
type Payload = proto.api.common.v1.IPayload
type Failure = proto.api.failure.v1.IFailure
type FailureView = NonNullable<AttemptView['failure']>
type Timestamp = Parameters<typeof optionalTsToMs>[0]

export interface StepAttempt extends AttemptView {
  path: string
}

/** A run ends before its history is longer than this. */
const MAX_PAGES = 40
const HISTORY_PATIENCE_MS = 10_000
/** Some connections of the pool stay for others. */
const READS_AT_ONCE = 6
/** Writes that wait for people are as many as there are; those that are tried again are few. */
const MAX_CHILDREN = 60
/** Where the value that says to which step something belongs is gone, and nothing else says it. */
const UNKNOWN_PATH = '?'

const OriginSchema = z.object({ path: z.string().min(1) })
const CallSchema = z
  .object({ origin: OriginSchema, connection: z.string().optional() })
  .transform(({ origin, connection = null }) => ({ path: origin.path, connection }))
/** The first argument of what belongs to a step: a call, something with a call, or a run that has a parent. */
const StepInputSchema = z.union([
  CallSchema,
  z.object({ call: CallSchema }).transform(({ call }) => call),
  z.object({ parent: OriginSchema }).transform(({ parent }) => ({ path: parent.path, connection: null })),
])

/**
 * In the order in which they were scheduled. `waiting`: steps of which it is known that people are waited for, so that the
 * workflows of their writes, of which there may be many, need not be asked.
 */
export async function attemptsOf(
  temporal: TemporalAccess,
  execution: { workflowId: string; runId: string },
  { facts, waiting }: { facts: ExecutionFacts; waiting: ReadonlySet<string> },
): Promise<StepAttempt[]> {
  const events = await withPatience(temporal, () => loadHistory(temporal, execution), HISTORY_PATIENCE_MS)
  const byEvent = new Map<string, StepAttempt>()
  const byActivity = new Map<string, StepAttempt>()
  for (const { event, begun, change, changes } of await readEvents(temporal, events)) {
    if (begun) byEvent.set(String(event.eventId), begun)
    const activityId = event.activityTaskScheduledEventAttributes?.activityId
    if (begun && activityId) byActivity.set(activityId, begun)
    const changed = change && byEvent.get(String(change.of))
    if (changed) Object.assign(changed, changes)
  }
  for (const pending of facts.pendingActivities) {
    const attempt = byActivity.get(pending.activityId ?? '')
    if (attempt) Object.assign(attempt, await pendingChanges(temporal, pending))
  }
  const attempts = [...byEvent.values()]
  await takeFromChildren(
    temporal,
    attempts.filter(({ path }) => !waiting.has(path)),
  )
  return attempts
}

/** A write or a run with a workflow of its own is tried again in there: what it was told last is why its step stands still. */
async function takeFromChildren(temporal: TemporalAccess, attempts: readonly StepAttempt[]): Promise<void> {
  const open = attempts.filter(({ kind, state }) => kind !== 'call' && state === 'running')
  for (let from = 0; from < Math.min(open.length, MAX_CHILDREN); from += READS_AT_ONCE) {
    await Promise.all(
      open.slice(from, from + READS_AT_ONCE).map((attempt) => takeFromChild(temporal, attempt)),
    )
  }
}

async function takeFromChild(temporal: TemporalAccess, attempt: StepAttempt): Promise<void> {
  const handle = temporal.client.workflow.getHandle(attempt.temporal_workflow_id ?? '')
  const described = await withPatience(temporal, () => handle.describe()).catch(() => undefined)
  const pending = described?.raw.pendingActivities?.find(({ lastFailure }) => lastFailure)
  if (!pending) return
  const { attempt: number, next_attempt_at, failure } = await pendingChanges(temporal, pending)
  Object.assign(attempt, { attempt: number, next_attempt_at, failure })
}

interface ReadEvent {
  event: HistoryEvent
  begun: StepAttempt | undefined
  change: Change | undefined
  changes: Partial<AttemptView> | undefined
}

/** In their order. Values that stand in our database are read several at a time. */
async function readEvents(temporal: TemporalAccess, events: readonly HistoryEvent[]): Promise<ReadEvent[]> {
  const read: ReadEvent[] = []
  for (let from = 0; from < events.length; from += READS_AT_ONCE) {
    const group = events.slice(from, from + READS_AT_ONCE).map(async (event) => {
      const change = changeIn(event)
      const [begun, changes] = await Promise.all([
        beginning(temporal, event),
        change && changesOf(temporal, change, event),
      ])
      return { event, begun, change, changes }
    })
    read.push(...(await Promise.all(group)))
  }
  return read
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
  const found = await pathOf(temporal, input.payloads.slice(0, 1))
  if (found === undefined) return undefined
  const workflowId = child?.workflowId ?? null
  const isRun = child?.workflowType?.name === WORKFLOW_TYPES.automation
  return {
    path: found.path,
    connection: found.connection,
    kind: activity ? 'call' : isRun ? 'run' : 'writeback',
    state: 'scheduled',
    attempt: 1,
    scheduled_at: isoOf(event.eventTime),
    started_at: null,
    closed_at: null,
    next_attempt_at: null,
    failure: found.failure,
    temporal_workflow_id: workflowId,
    temporal_ui_url: workflowId && workflowUrl(temporal, workflowId),
  }
}

/** Undefined if it belongs to no step. */
async function pathOf(
  temporal: TemporalAccess,
  payloads: Payload[],
): Promise<Pick<StepAttempt, 'path' | 'connection' | 'failure'> | undefined> {
  try {
    const [first] = await decodeArrayFromPayloads(temporal.client.options.loadedDataConverter, payloads)
    const found = StepInputSchema.safeParse(first)
    return found.success ? { ...found.data, failure: null } : undefined
  } catch (error) {
    return { path: UNKNOWN_PATH, connection: null, failure: goneValue(error) }
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

async function pendingChanges(
  temporal: TemporalAccess,
  pending: Pending,
): Promise<Pick<AttemptView, 'state' | 'attempt' | 'started_at' | 'next_attempt_at' | 'failure'>> {
  const isRunning = pending.state === PENDING_STARTED
  return {
    state: isRunning ? 'running' : 'scheduled',
    attempt: pending.attempt ?? 1,
    started_at: isoOf(pending.lastStartedTime),
    next_attempt_at: !isRunning && (pending.attempt ?? 1) > 1 ? isoOf(pending.scheduledTime) : null,
    failure: pending.lastFailure ? await failureView(temporal, pending.lastFailure) : null,
  }
}

export async function failureView(temporal: TemporalAccess, failure: Failure): Promise<FailureView> {
  const { loadedDataConverter } = temporal.client.options
  try {
    return failureOf(await decodeOptionalFailureToOptionalError(loadedDataConverter, failure))
  } catch (error) {
    return goneValue(error)
  }
}

function failureOf(error: Error | undefined): FailureView {
  const message = error?.message ?? ''
  if (error instanceof ApplicationFailure) return { code: error.type ?? 'STEP_FAILED', message }
  if (error instanceof TimeoutFailure) return { code: 'CALL_TIMEOUT', message }
  const isOver = error instanceof CancelledFailure || error instanceof TerminatedFailure
  if (isOver || !(error?.cause instanceof ApplicationFailure)) {
    return { code: isOver ? 'CANCELLED' : 'STEP_FAILED', message }
  }
  return { code: error.cause.type ?? 'STEP_FAILED', message: error.cause.message }
}

export function isoOf(time: Timestamp): string | null {
  const timeMs = optionalTsToMs(time)
  return timeMs === undefined ? null : new Date(timeMs).toISOString()
}
