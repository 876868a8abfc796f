/**
 * Children that outlive a Reset of their parent. A run that was reset meets children that exist already: it attaches to
 * them, through an activity that waits for their result, and so ends with the same single effect.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  defineSearchAttributeKey,
  type SearchAttributePair,
} from '@temporalio/common'
import { executeChild } from '@temporalio/workflow'
import { SEARCH_ATTRIBUTES } from '../schemas/names.ts'
import { outside } from './activity-options.ts'

interface ChildParams {
  type: string
  workflowId: string
  /** As many as the workflow takes. */
  args: unknown[]
  summary: string
  details: string
  searchAttributes: SearchAttributePair[]
}

export async function executeOrAttach<Result>(params: ChildParams): Promise<Result> {
  const { type, workflowId, args, summary, details, searchAttributes } = params
  try {
    return (await executeChild(type, {
      workflowId,
      args,
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
    return (await outside(`Wait for ${workflowId}`).awaitWorkflow({ workflowId })) as Result
  }
}

type AttributeName = keyof typeof SEARCH_ATTRIBUTES

export function keyword(name: AttributeName, value: string): SearchAttributePair {
  return { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES[name], 'KEYWORD'), value }
}
