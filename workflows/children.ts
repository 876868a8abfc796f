/**
 * Children that outlive a Reset of their parent. A run that was reset meets children that exist already: it attaches to
 * them, through an activity that waits for their result, and so ends with the same single effect.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  defineSearchAttributeKey,
  type SearchAttributePair,
} from '@temporalio/common'
import {
  CancellationScope,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
} from '@temporalio/workflow'
import { SEARCH_ATTRIBUTES } from '../schemas/names.ts'
import { outside } from './activity-options.ts'

interface ChildParams {
  type: string
  workflowId: string
  input: unknown
  summary: string
  details: string
  searchAttributes: SearchAttributePair[]
}

export async function executeOrAttach<Result>(params: ChildParams): Promise<Result> {
  const { type, workflowId, input, summary, details, searchAttributes } = params
  try {
    return (await executeChild(type, {
      workflowId,
      args: [input],
      // Operators terminate things: then the child is asked to clean up instead of being killed with its parent.
      parentClosePolicy: 'REQUEST_CANCEL',
      cancellationType: 'WAIT_CANCELLATION_COMPLETED',
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      staticSummary: summary,
      staticDetails: details,
      ...(searchAttributes.length > 0 ? { typedSearchAttributes: searchAttributes } : {}),
    })) as Result
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    return (await attach(workflowId)) as Result
  }
}

/** An attempt to wait that is cancelled before it begins tells nobody: then the child is told from here. */
async function attach(workflowId: string): Promise<unknown> {
  const { awaitWorkflow } = outside(`Wait for ${workflowId}`)
  try {
    return await awaitWorkflow({ workflowId })
  } catch (error) {
    if (!isCancellation(error)) throw error
    return CancellationScope.nonCancellable(async () => {
      // One that is closed needs no cancel: it has its result.
      await getExternalWorkflowHandle(workflowId)
        .cancel()
        .catch(() => undefined)
      return awaitWorkflow({ workflowId })
    })
  }
}

type AttributeName = keyof typeof SEARCH_ATTRIBUTES

export function keyword(name: AttributeName, value: string): SearchAttributePair {
  return { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES[name], 'KEYWORD'), value }
}
