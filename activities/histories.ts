/**
 * What Temporal has been told under a workflow id: each time the door was asked, and what its attempts have said, in every
 * execution that Temporal keeps. A Reset leaves an execution behind, and what that one has done is in no other history.
 */
import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { decodePayloads } from '../lib/receipts-head.ts'

export interface Told {
  /** Each time that the door was asked; no result where it has not answered. */
  visits: Visit[]
  /** Of attempts at the door: their heartbeats, and what has gone along with their failures. */
  said: unknown[]
}

export interface Visit {
  input: unknown[]
  result: unknown
}

type History = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>
type Values = { payloads?: Payload[] | null } | null | undefined

/** Nothing of what Temporal does not know, or no longer. Of `except` only which executions it was reset from. */
export async function whatWasTold(client: Client, workflowId: string, except?: Execution): Promise<Told> {
  const told: Told = { visits: [], said: [] }
  // It grows while it is gone through: the list may be a moment behind, and an execution names the one it was reset from.
  const runIds = new Set(await runIdsOf(client, workflowId))
  for (const runId of runIds) {
    const execution = { workflowId, runId }
    const history = await historyOf(client, execution)
    for (const base of basesIn(history)) runIds.add(base)
    if (runId === except?.runId) continue
    await readHistory(client, history, told)
    told.said.push(...(await saidByPending(client, execution)))
  }
  return told
}

async function runIdsOf(client: Client, workflowId: string): Promise<string[]> {
  const runIds: string[] = []
  const query = `WorkflowId = ${JSON.stringify(workflowId)}`
  for await (const { runId } of client.workflow.list({ query })) runIds.push(runId)
  const latest = await unlessGone(() => client.workflow.getHandle(workflowId).describe())
  return latest ? [...runIds, latest.runId] : runIds
}

export interface Execution {
  workflowId: string
  runId: string
}

async function historyOf(client: Client, { workflowId, runId }: Execution): Promise<History> {
  const fetched = await unlessGone(() => client.workflow.getHandle(workflowId, runId).fetchHistory())
  return fetched?.events ?? []
}

/**
 * Of activities that were not over, also where their execution is: Temporal keeps their last heartbeat. `only`: the id of
 * one of them.
 */
export async function saidByPending(
  client: Client,
  { workflowId, runId }: Execution,
  only?: string,
): Promise<unknown[]> {
  const described = await unlessGone(() => client.workflow.getHandle(workflowId, runId).describe())
  const said: unknown[] = []
  for (const { activityId, activityType, heartbeatDetails } of described?.raw.pendingActivities ?? [])
    if (activityType?.name === 'perform' && (activityId === only || only === undefined))
      said.push(...(await valuesIn(client, heartbeatDetails)))
  return said
}

/** The executions that this one was reset from. */
function basesIn(history: History): string[] {
  return history.flatMap(({ workflowTaskFailedEventAttributes }) => {
    const base = workflowTaskFailedEventAttributes?.baseRunId
    return base ? [base] : []
  })
}

async function readHistory(client: Client, history: History, { visits, said }: Told): Promise<void> {
  const open = new Map<string, Visit>()
  for (const event of history) {
    const scheduled = event.activityTaskScheduledEventAttributes
    if (scheduled?.activityType?.name === 'perform') {
      const visit = { input: await valuesIn(client, scheduled.input), result: undefined }
      open.set(String(event.eventId), visit)
      visits.push(visit)
    }
    const completed = event.activityTaskCompletedEventAttributes
    const visit = completed && open.get(String(completed.scheduledEventId))
    if (visit) [visit.result] = await valuesIn(client, completed.result)
    for (const values of saidAtItsEnd(event)) said.push(...(await valuesIn(client, values)))
  }
}

function saidAtItsEnd(event: History[number]): Values[] {
  const { activityTaskFailedEventAttributes: failed, activityTaskTimedOutEventAttributes: timedOut } = event
  return [
    failed?.failure?.applicationFailureInfo?.details,
    timedOut?.failure?.timeoutFailureInfo?.lastHeartbeatDetails,
    event.activityTaskCanceledEventAttributes?.details,
  ]
}

async function valuesIn(client: Client, values: Values): Promise<unknown[]> {
  const decoded = await decodePayloads(client, values?.payloads ?? [])
  return decoded.map((payload) => defaultPayloadConverter.fromPayload(payload))
}

async function unlessGone<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null
    throw error
  }
}
