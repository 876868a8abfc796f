/** Failures inside workflows, by the codes of the error table. A plain `Error` would loop the workflow task for ever. */
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TimeoutFailure,
} from '@temporalio/workflow'
import type { StepError } from './interpreter/state.ts'

export function failure(error: StepError, details: unknown[] = []): ApplicationFailure {
  return ApplicationFailure.create({ type: error.code, message: error.message, nonRetryable: true, details })
}

/** Anybody can start a workflow with anything. */
export function assertInput(looksRight: boolean, what: string): void {
  if (!looksRight) throw failure({ code: 'INVALID_INPUT', message: `the input is not that of ${what}` })
}

/** What goes along with the failure of an activity, as our own activities put it there. */
export function detailOf<Detail>(error: unknown): Detail | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined
  return cause instanceof ApplicationFailure ? (cause.details?.[0] as Detail | undefined) : undefined
}

/** What an activity or a child has failed with, looked up below Temporal's own wrapping. */
export function stepErrorOf(error: unknown): StepError {
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure)
    return stepErrorOf(error.cause)
  if (error instanceof ApplicationFailure)
    return { code: error.type ?? 'STEP_FAILED', message: error.message }
  if (error instanceof CancelledFailure) return { code: 'CANCELLED', message: 'it was cancelled' }
  if (error instanceof TimeoutFailure) return { code: 'CALL_TIMEOUT', message: error.message }
  return { code: 'STEP_FAILED', message: error instanceof Error ? error.message : String(error) }
}
