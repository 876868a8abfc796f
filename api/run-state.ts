/** What Temporal says of a run: its state, and how it ended. */
import {
  WorkflowFailedError,
  WorkflowNotFoundError,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client'
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common'
import { optionalTsToMs } from '@temporalio/common/lib/time.js'
import type { JsonValue } from '../lib/json.ts'
import { isErrorCode } from '../schemas/errors.ts'
import type { ReceiptsHead } from '../schemas/run.ts'
import { goneValue } from './gone-values.ts'
import { receiptsHeadOf } from './receipts-head.ts'
import { withPatience, type TemporalAccess } from './temporal.ts'

export interface RunDescription {
  state:
    | 'pending'
    | 'running'
    | 'completed'
    | 'failed'
    | 'cancelled'
    | 'terminated'
    | 'timed_out'
    | 'no_longer_kept'
  result: JsonValue
  failure: { code: string; message: string } | null
  temporal_run_id: string | null
  started_at: string | null
  closed_at: string | null
  receipts_head: ReceiptsHead | null
  /** Null if Temporal has no execution of the run. */
  execution: ExecutionFacts | null
}

type RawDescription = WorkflowExecutionDescription['raw']

/** What Temporal says beside the state. It changes with every step that the run takes. */
export interface ExecutionFacts {
  historyLength: number
  historyBytes: number
  pendingActivities: NonNullable<RawDescription['pendingActivities']>
  /** Children that are not over. */
  pendingChildren: number
  /** A workflow task that no worker has taken, since when. */
  taskWaitsSinceMs: number | null
  /** Which try of its workflow task is under way, or waits; 0 without one. */
  taskAttempt: number
}

/** PENDING_WORKFLOW_TASK_STATE_SCHEDULED of Temporal's API. */
const TASK_SCHEDULED = 1

const STATES: Record<string, RunDescription['state']> = {
  RUNNING: 'running',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
  TERMINATED: 'terminated',
  TIMED_OUT: 'timed_out',
  CONTINUED_AS_NEW: 'running',
}

/** WORKFLOW_EXECUTION_STATUS_… of Temporal's API, by number. */
const STATUS_NAMES = [
  'UNSPECIFIED',
  'RUNNING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TERMINATED',
  'CONTINUED_AS_NEW',
  'TIMED_OUT',
]

/**
 * `unknownIs` is the state if Temporal has no execution of the run. Throws what Temporal's client throws while Temporal
 * is away.
 */
export async function describeRun(
  temporal: TemporalAccess,
  workflowId: string,
  unknownIs: 'pending' | 'cancelled' | 'no_longer_kept',
): Promise<RunDescription> {
  try {
    return await withPatience(temporal, () => describe(temporal, workflowId))
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error
    const failure =
      unknownIs === 'cancelled'
        ? { code: 'CANCELLED', message: 'The run was cancelled before it was started.' }
        : null
    const times = { temporal_run_id: null, started_at: null, closed_at: null }
    return { state: unknownIs, result: null, failure, receipts_head: null, execution: null, ...times }
  }
}

async function describe(temporal: TemporalAccess, workflowId: string): Promise<RunDescription> {
  const description = await temporal.client.workflow.getHandle(workflowId).describe()
  const state = STATES[description.status.name] ?? 'running'
  const common = {
    state,
    temporal_run_id: description.runId,
    started_at: description.startTime.toISOString(),
    closed_at: description.closeTime?.toISOString() ?? null,
    execution: factsOf(description),
  }
  if (state === 'running') return { ...common, result: null, failure: null, receipts_head: null }
  // Of this execution: a reset that happens meanwhile must not make us wait for the next one.
  const execution = { workflowId, runId: description.runId }
  const [end, receipts_head] = await Promise.all([
    endOf(temporal.client.workflow.getHandle(workflowId, description.runId)),
    receiptsHeadOf(temporal, execution),
  ])
  return { ...common, ...end, receipts_head }
}

function factsOf({ raw, historyLength }: WorkflowExecutionDescription): ExecutionFacts {
  const task = raw.pendingWorkflowTask
  return {
    historyLength,
    historyBytes: Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0),
    pendingActivities: raw.pendingActivities ?? [],
    pendingChildren: raw.pendingChildren?.length ?? 0,
    taskWaitsSinceMs: task?.state === TASK_SCHEDULED ? (optionalTsToMs(task.scheduledTime) ?? null) : null,
    taskAttempt: task?.attempt ?? 0,
  }
}

async function endOf(handle: WorkflowHandle): Promise<Pick<RunDescription, 'result' | 'failure'>> {
  try {
    const result = (await handle.result()) as JsonValue | undefined
    return { result: result ?? null, failure: null }
  } catch (error) {
    const failure = error instanceof WorkflowFailedError ? failureOf(error) : goneValue(error)
    return { result: null, failure }
  }
}

/** `RunDescription['state']` of Temporal's number for a status. */
export function stateOfStatus(status: number | null | undefined): RunDescription['state'] {
  return STATES[STATUS_NAMES[status ?? 0] ?? ''] ?? 'running'
}

/** The outermost of our codes: what lies deeper is how it came about. */
function failureOf(error: WorkflowFailedError): { code: string; message: string } {
  for (let cause = error.cause; cause instanceof Error; cause = causeOf(cause)) {
    if (cause instanceof ApplicationFailure && isCode(cause.type))
      return { code: cause.type, message: cause.message }
    if (cause instanceof CancelledFailure) return { code: 'CANCELLED', message: 'The run was cancelled.' }
    if (cause instanceof TerminatedFailure) return { code: 'CANCELLED', message: 'The run was terminated.' }
    if (cause instanceof TimeoutFailure) return { code: 'CALL_TIMEOUT', message: cause.message }
  }
  return { code: 'STEP_FAILED', message: error.cause?.message ?? error.message }
}

/** Ours, or one that an automation gives itself with `fail`. Classes of errors are not written like that. */
function isCode(type: string | undefined | null): type is string {
  return typeof type === 'string' && (isErrorCode(type) || /^[A-Z][A-Z0-9_]{2,62}$/.test(type))
}

function causeOf(error: Error): Error | undefined {
  return error.cause instanceof Error ? error.cause : undefined
}
