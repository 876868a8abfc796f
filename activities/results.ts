/**
 * The result of a workflow execution, as the one that started it would get it: its failure keeps its code, and a cancel
 * of the waiting one cancels the other and waits for what it makes of it.
 */
import {
  ApplicationFailure,
  ActivityFailure,
  CancelledFailure,
  ChildWorkflowFailure,
} from '@temporalio/common'
import { WorkflowFailedError, WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client'

/** Throws an `ApplicationFailure` that is not tried again for an execution that failed, was ended, or is gone. */
export async function resultOf(handle: WorkflowHandle, signal: AbortSignal): Promise<unknown> {
  const onAbort = (): void => {
    // An execution that is closed needs no cancel, and a server that is away is told again with the next attempt.
    handle.cancel().catch(() => undefined)
  }
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await handle.result()
  } catch (error) {
    throw lasting(error, handle.workflowId)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function lasting(error: unknown, workflowId: string): unknown {
  if (error instanceof WorkflowNotFoundError) return ended('STEP_FAILED', `${workflowId} is no longer kept`)
  if (!(error instanceof WorkflowFailedError)) return error
  const cause = innermost(error.cause)
  if (cause instanceof ApplicationFailure) return ended(cause.type ?? 'STEP_FAILED', cause.message)
  if (cause instanceof CancelledFailure) return ended('CANCELLED', `${workflowId} was cancelled`)
  return ended('STEP_FAILED', `${workflowId} has ended without a result`)
}

function innermost(error: unknown): unknown {
  return error instanceof ActivityFailure || error instanceof ChildWorkflowFailure
    ? innermost(error.cause)
    : error
}

function ended(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true })
}
