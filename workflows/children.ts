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
  getExternalWorkflowHandle,
  isCancellation,
  startChild,
} from '@temporalio/workflow'
import { SEARCH_ATTRIBUTES } from '../schemas/names.ts'
import { outside } from './activity-options.ts'
import { onReset, seedNow } from './resets.ts'
import { onCancel } from './scopes.ts'

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
  const scope = CancellationScope.current()
  // Rejects: nobody is asked about what is not wanted any more.
  if (scope.consideredCancelled) await scope.cancelRequested
  try {
    return (await CancellationScope.nonCancellable(() => execute(params, scope))) as Result
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
    return (await attach(params.workflowId)) as Result
  }
}

/**
 * A cancel of `scope` is passed on by id, and the child ends in its own time. Left to the SDK, it would only reach a child
 * of this very execution; after a Reset the child belongs to the execution before, and would go on as if nothing was. If
 * that execution was closed when the child ended, nobody tells this one of it: it asks.
 */
async function execute(params: ChildParams, scope: CancellationScope): Promise<unknown> {
  const { type, workflowId, args, summary, details, searchAttributes } = params
  const seed = seedNow()
  const child = await startChild(type, {
    workflowId,
    args,
    // Operators terminate things: then the child is asked to clean up instead of being killed with its parent.
    parentClosePolicy: 'REQUEST_CANCEL',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    staticSummary: summary,
    staticDetails: details,
    ...(searchAttributes.length > 0 ? { typedSearchAttributes: searchAttributes } : {}),
  })
  const forgetCancel = onCancel(scope, () => cancelById(workflowId))
  let forgetReset = (): void => undefined
  const foundByAsking = new Promise<unknown>((resolve) => {
    forgetReset = onReset(seed, () =>
      resolve(outside(`Wait for ${workflowId}`).awaitWorkflow({ workflowId })),
    )
  })
  try {
    return await Promise.race([child.result(), foundByAsking])
  } finally {
    forgetCancel()
    forgetReset()
  }
}

/** One that is closed, or was never there, needs no cancel. */
export async function cancelById(workflowId: string): Promise<void> {
  await getExternalWorkflowHandle(workflowId)
    .cancel()
    .catch(() => undefined)
}

/** An attempt to wait that is cancelled before it begins tells nobody: then the child is told from here. */
async function attach(workflowId: string): Promise<unknown> {
  const { awaitWorkflow } = outside(`Wait for ${workflowId}`)
  try {
    return await awaitWorkflow({ workflowId })
  } catch (error) {
    if (!isCancellation(error)) throw error
    return CancellationScope.nonCancellable(async () => {
      await cancelById(workflowId)
      return awaitWorkflow({ workflowId })
    })
  }
}

type AttributeName = keyof typeof SEARCH_ATTRIBUTES

export function keyword(name: AttributeName, value: string): SearchAttributePair {
  return { key: defineSearchAttributeKey(SEARCH_ATTRIBUTES[name], 'KEYWORD'), value }
}
