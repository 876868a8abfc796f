/**
 * What Temporal says of a workflow id, for jobs that must not conclude anything about one that is alive. Asked by id
 * alone, Temporal answers for the latest execution, so one that was just reset is alive.
 */
import { WorkflowNotFoundError, type Client, type WorkflowExecutionDescription } from '@temporalio/client'
import type { Database } from '../db/database.ts'
import { listLatestExecutions, listRecentRunWorkflows } from '../db/queries/open-rows.ts'
import { WORKFLOW_TYPES } from '../schemas/names.ts'

/** `gone`: Temporal has no execution with this id, or no longer. */
export type ExecutionState = 'alive' | 'closed' | 'gone'

/** Just closed counts as alive: a parent may still be about to start it anew, an operator about to reset it. */
const SETTLING_MS = 30_000
const CLOSED = new Set(['COMPLETED', 'FAILED', 'CANCELLED', 'TERMINATED', 'TIMED_OUT'])

export async function executionState(
  client: Client,
  workflowId: string,
  nowMs: number,
): Promise<ExecutionState> {
  try {
    const { status, closeTime } = await client.workflow.getHandle(workflowId).describe()
    const isOver = CLOSED.has(status.name) && closeTime !== undefined
    return isOver && closeTime.getTime() < nowMs - SETTLING_MS ? 'closed' : 'alive'
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'gone'
    throw error
  }
}

/**
 * Whether this execution was asked to end, or its run, or a run around that. A worker that was away takes up an attempt of
 * an activity before the workflows have heard of it and passed it on.
 */
export async function isCancelAsked(
  client: Client,
  own: { workflowId: string; runId: string },
  runWorkflowId: string,
): Promise<boolean> {
  const caller = await describeIfThere(client, own)
  if (isAsked(caller)) return true
  let run =
    runWorkflowId === own.workflowId ? caller : await describeIfThere(client, { workflowId: runWorkflowId })
  while (run && !isAsked(run)) run = await runAround(client, run)
  return isAsked(run)
}

/** Any other parent may leave its child alone when it is cancelled: then the child is asked itself, or not at all. */
async function runAround(client: Client, { parentExecution }: Description): Promise<Description | null> {
  if (!parentExecution?.workflowId) return null
  const { workflowId } = parentExecution
  const parent = await describeIfThere(client, { workflowId })
  return parent?.type === WORKFLOW_TYPES.automation ? parent : null
}

type Description = WorkflowExecutionDescription

function isAsked(described: Description | null): boolean {
  return described?.raw.workflowExtendedInfo?.cancelRequested === true
}

/** Without a run id: the latest execution under the id. */
async function describeIfThere(
  client: Client,
  { workflowId, runId }: { workflowId: string; runId?: string },
): Promise<Description | null> {
  try {
    return await client.workflow.getHandle(workflowId, runId).describe()
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null
    throw error
  }
}

/** Shorter than any retention a namespace can have. */
const RECENT_MS = 12 * 3_600_000
const SAMPLES = 5
/** Of each kind, when there is no recent run: one that still waits is among them. */
const QUIET_SAMPLES = 20

/**
 * Whether it means anything that Temporal does not know an execution. In a wrong or a new namespace nothing of ours is
 * known, and what runs in the right one must not be taken for dead. After a quiet time what counts is whether Temporal
 * knows anything that still waits, or a run that came last.
 */
export async function namespaceKnowsUs(client: Client, database: Database): Promise<boolean> {
  const recent = await listRecentRunWorkflows(database, { maxAgeMs: RECENT_MS, limit: SAMPLES })
  const ours =
    recent.length > 0 ? recent : await listLatestExecutions(database, { limitOfEach: QUIET_SAMPLES })
  for (const workflowId of ours) {
    if ((await executionState(client, workflowId, Date.now())) !== 'gone') return true
  }
  return ours.length === 0
}
