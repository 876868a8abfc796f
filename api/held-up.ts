/**
 * What a run that does not move is waiting for: which step, through which connection, the error of the last attempt, when
 * the next one comes, what to do. People who are waited for are told elsewhere, as approvals. No duration, only times: a
 * run that is looked at twice looks the same.
 */
import { detailIn } from '../lib/failure-text.ts'
import { ERRORS, isErrorCode } from '../schemas/errors.ts'
import type { AttemptView, HeldUp } from '../schemas/operations/runs.ts'
import type { StepAttempt } from './run-history.ts'
import type { ExecutionFacts } from './run-state.ts'

/** Work is taken within milliseconds; a busy worker may take some seconds. */
const TAKEN_WITHIN_MS = 10_000

const NO_WORKER =
  'Start a worker with the same COUNTERSIGN_TASK_QUEUE and TEMPORAL_NAMESPACE as the API; the run goes on by itself.'

/** A workflow task that the workers fail at: none of them can go on with the run. */
export interface FailedTask {
  at: string | null
  attempt: number
  failure: { code: string; message: string }
}

const OTHER_RELEASE =
  'If the workers are of another release than the run was started with, start that one again; else look at the log of the workers.'

export function heldUpBy(
  attempts: readonly StepAttempt[],
  facts: Pick<ExecutionFacts, 'taskWaitsSinceMs'> & { failedTask: FailedTask | null },
  nowMs: number,
): HeldUp[] {
  const { failedTask } = facts
  const wholeRun = failedTask === null ? workerMissing(facts, nowMs) : [taskFailed(failedTask)]
  return [...wholeRun, ...attempts.flatMap((attempt) => fromAttempt(attempt, nowMs))]
}

function taskFailed({ at, attempt, failure }: FailedTask): HeldUp {
  const since = at === null ? '' : ` since ${at}`
  const why = `${failure.code}: ${failure.message}`
  const summary = `The workers cannot go on with the run${since}: ${why} (attempt ${attempt} is under way)`
  return { ...WHOLE_RUN, attempt, failure, summary, action: OTHER_RELEASE }
}

/** Of a run that was accepted and that Temporal does not have yet. */
interface PendingStart {
  attempts: number
  last_error: string | null
  received_at: Date
  next_attempt_at: Date
}

export function heldUpBeforeStart(
  { attempts, last_error, received_at, next_attempt_at }: PendingStart,
  nowMs: number,
): HeldUp[] {
  const next = next_attempt_at.toISOString()
  if (last_error !== null) {
    const summary = `Temporal refuses to start the run: attempt ${attempts} ended with ${last_error} (the next comes at ${next})`
    const failure = { code: 'UNAVAILABLE', message: last_error }
    const action = 'Remove the cause; it is tried again by itself.'
    return [{ ...WHOLE_RUN, attempt: attempts, failure, next_attempt_at: next, summary, action }]
  }
  if (nowMs - received_at.getTime() < TAKEN_WITHIN_MS) return []
  const summary = `The run waits to be started since ${received_at.toISOString()} (the next attempt comes at ${next})`
  const action = 'If Temporal is there, look for the relay in the log of the API.'
  return [{ ...WHOLE_RUN, next_attempt_at: next, summary, action }]
}

const WHOLE_RUN = { path: null, connection: null, attempt: null, failure: null, next_attempt_at: null }

function workerMissing(
  { taskWaitsSinceMs }: Pick<ExecutionFacts, 'taskWaitsSinceMs'>,
  nowMs: number,
): HeldUp[] {
  if (taskWaitsSinceMs === null || nowMs - taskWaitsSinceMs < TAKEN_WITHIN_MS) return []
  const since = new Date(taskWaitsSinceMs).toISOString()
  const summary = `No worker has taken the next task of the run since ${since}.`
  return [{ ...WHOLE_RUN, summary, action: NO_WORKER }]
}

function fromAttempt(attempt: StepAttempt, nowMs: number): HeldUp[] {
  if (attempt.state !== 'scheduled' && attempt.state !== 'running') return []
  const { path, connection, failure, next_attempt_at, attempt: number, scheduled_at: scheduledAt } = attempt
  const inside = attempt.kind === 'run' ? ', in the run that it has started' : ''
  const where = `step ${path}${inside}${connection === null ? '' : `, through connection ${connection}`}`
  const common = { path, connection, attempt: number, failure, next_attempt_at }
  if (failure !== null) {
    const { code, message } = failure
    const detail = isErrorCode(code) ? detailIn(code, message) : message
    const title = isErrorCode(code) ? `${ERRORS[code].title} ` : ''
    const next =
      next_attempt_at === null ? 'the next attempt is under way' : `the next comes at ${next_attempt_at}`
    const summary = `${where}: attempt ${lastFailed(attempt)} ended with ${code}: ${title}${detail} (${next})`
    return [{ ...common, summary, action: isErrorCode(code) ? ERRORS[code].hint : LOOK_AT_LOG }]
  }
  const isLeft =
    attempt.kind === 'call' &&
    attempt.state === 'scheduled' &&
    scheduledAt !== null &&
    nowMs - Date.parse(scheduledAt) > TAKEN_WITHIN_MS
  if (!isLeft) return []
  return [
    { ...common, summary: `${where}: no worker has taken the call since ${scheduledAt}`, action: NO_WORKER },
  ]
}

const LOOK_AT_LOG = 'Look at the log of the workers.'

/** The number that Temporal gives is that of the attempt which comes, or is under way. */
function lastFailed({ attempt }: AttemptView): number {
  return Math.max(1, attempt - 1)
}
