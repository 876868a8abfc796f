/**
 * The result of a workflow execution, as the one that started it would get it: its failure keeps its code, and a cancel
 * of the waiting one cancels the other and waits for what it makes of it.
 */
import type { Context } from '@temporalio/activity'
import {
  ApplicationFailure,
  ActivityFailure,
  CancelledFailure,
  ChildWorkflowFailure,
} from '@temporalio/common'
import { WorkflowFailedError, WorkflowNotFoundError, type WorkflowHandle } from '@temporalio/client'

/**
 * Throws an `ApplicationFailure` that is not tried again for an execution that failed, was ended, or is gone; and the
 * signal's reason if the wait ends without being taken back, so that somebody else goes on with it.
 *
 * `inShare` is asked for a place only where there is something to wait for: a wait that finds none comes again, and then
 * learns of the end without a place. So waits never keep the calls that they wait for from theirs.
 */
export async function resultOf(
  context: Context,
  workflowId: string,
  inShare: <T>(wait: () => Promise<T>) => Promise<T>,
): Promise<unknown> {
  const handle = context.client.workflow.getHandle(workflowId)
  try {
    const { status } = await handle.describe()
    if (status.name !== 'RUNNING') return await handle.result()
  } catch (error) {
    throw lasting(error, workflowId)
  }
  return inShare(() => waitFor(context, handle))
}

async function waitFor(context: Context, handle: WorkflowHandle): Promise<unknown> {
  const { cancellationSignal: signal } = context
  let onAbort = (): void => undefined
  const left = new Promise<never>((_resolve, reject) => {
    onAbort = () => {
      isTakenBack(context).then(
        // A child that is closed needs no cancel: its result is on the way.
        (isSo) => (isSo ? void handle.cancel().catch(() => undefined) : reject(signal.reason)),
        () => reject(signal.reason),
      )
    }
  })
  left.catch(() => undefined)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([handle.result(), left])
  } catch (error) {
    throw lasting(error, handle.workflowId)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** A worker that stops, or a run that is reset while it waits, takes nothing back: its successor waits on. */
async function isTakenBack({ cancellationDetails, client, info }: Context): Promise<boolean> {
  if (cancellationDetails?.cancelRequested) return true
  return cancellationDetails?.notFound === true && isOver(client, info)
}

/** Whether our own workflow was ended; after a reset its id names an execution that goes on. */
async function isOver(client: Context['client'], { workflowExecution }: Context['info']): Promise<boolean> {
  if (!workflowExecution) return false
  const { status } = await client.workflow.getHandle(workflowExecution.workflowId).describe()
  return status.name !== 'RUNNING'
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
