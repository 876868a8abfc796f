/**
 * Tells approvals that are alive what the ledger has counted of them. A Temporal that was restored from a backup has
 * forgotten what was decided since: the ledger says approved, nobody is asked, and the run would wait for ever. What is
 * told are the decisions as people have signed them; the approval verifies and judges them like any that comes in.
 */
import { WorkflowNotFoundError, WorkflowUpdateFailedError, type Client } from '@temporalio/client'
import type { Database } from '../db/database.ts'
import { listCountedDecisions, type CountedDecisions } from '../db/queries/open-rows.ts'
import { inLanes } from '../lib/lanes.ts'
import { approvalIdOfWorkflow, MESSAGES, WORKFLOW_TYPES } from '../schemas/names.ts'
import type { DecisionAnswer, DecisionMessage } from '../schemas/run.ts'

/** The answer to what was recorded just now is about to reach its approval. */
const MIN_AGE_MS = 30_000
/** Of one approval: one whose workflow is stuck must not keep the others from theirs. */
const PATIENCE_MS = 3_000
const LANES = 8

const OPEN = `WorkflowType = '${WORKFLOW_TYPES.approval}' AND ExecutionStatus = 'Running'`

export interface ReminderDeps {
  client: Client
  database: Database
  nowMs: () => number
}

export interface Reminded {
  /** Approvals that were decided, and did not know. */
  reminded: number
  /** Approvals that did not answer; the next pass tells them again. */
  failed: number
  /** The next pass looks at those that started before; empty for all. */
  before: string
}

/**
 * Looks at what Temporal has as open, the newest first: there are as many as wait for people, however many were decided
 * in the past.
 */
export async function remindApprovals(
  { client, database, nowMs }: ReminderDeps,
  { before, limit }: { before: string; limit: number },
): Promise<Reminded> {
  const { workflowIds, next } = await listOpen(client, before, limit)
  const counted = await listCountedDecisions(database, {
    workflowIds,
    approvalIds: workflowIds.map(approvalIdOfWorkflow),
    recordedBefore: new Date(nowMs() - MIN_AGE_MS).toISOString(),
  })
  const report: Reminded = { reminded: 0, failed: 0, before: next }
  await inLanes(counted, LANES, async (approval) => {
    const isTold = await client.withDeadline(Date.now() + PATIENCE_MS, () => tell(client, approval))
    if (!isTold) report.failed++
    else if (approval.state !== 'waiting') report.reminded++
  })
  return report
}

async function listOpen(
  client: Client,
  before: string,
  limit: number,
): Promise<{ workflowIds: string[]; next: string }> {
  const query = isTime(before) ? `${OPEN} AND StartTime < '${before}'` : OPEN
  const workflowIds: string[] = []
  for await (const { workflowId, startTime } of client.workflow.list({ query, pageSize: limit })) {
    // Others may have started in the same millisecond.
    if (workflowIds.push(workflowId) === limit)
      return { workflowIds, next: new Date(startTime.getTime() + 1).toISOString() }
  }
  return { workflowIds, next: '' }
}

/** It comes from the result of the pass before, which is nobody's word. */
function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT[\d:.]{8,12}Z$/.test(text)
}

/**
 * As updates that have the ids of their decisions: Temporal knows one that has been there, and answers without another
 * event, so telling again costs the approval nothing.
 */
async function tell(client: Client, { workflow_id, decisions }: CountedDecisions): Promise<boolean> {
  const approval = client.workflow.getHandle(workflow_id)
  try {
    for (const { decisionId, verdict, ticket } of decisions)
      await approval.executeUpdate<DecisionAnswer, [DecisionMessage]>(MESSAGES.decideUpdate, {
        args: [{ verdict, ticket }],
        updateId: decisionId,
      })
    return true
  } catch (error) {
    // It has ended by itself.
    return error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError
  }
}
