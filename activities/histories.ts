/**
 * What Temporal has been told under a workflow id: each time the door was asked, and what its attempts have said, in every
 * execution that Temporal keeps. A Reset leaves an execution behind, and what that one has done is in no other history.
 */
import {
  WorkflowNotFoundError,
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowHandle,
} from '@temporalio/client'
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
  /** Why its attempts may have told more than is here; null if they have not. In words. */
  doubt: string | null
}

const BY_HAND = 'its activity was ended by hand, and what its attempts had told was forgotten with it'
export const ERASED = 'what the attempts before had told was erased by hand (activity reset, unpause)'

type History = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>
type Time = { seconds?: unknown; nanos?: number | null } | null | undefined
type Values = { payloads?: Payload[] | null } | null | undefined

/** Nothing of what Temporal does not know, or no longer. Of `except` only which executions it was reset from. */
export async function whatWasTold(client: Client, workflowId: string, except?: Execution): Promise<Told> {
  const told: Told = { visits: [], said: [] }
  // It grows while it is gone through: the list may be a moment behind, and an execution names the one it was reset from.
  const runIds = new Set(await runIdsOf(client, workflowId))
  for (const runId of runIds) {
    const execution = { workflowId, runId }
    const history = await historyOf(client, execution)
    const bases = basesIn(history)
    for (const base of bases) runIds.add(base)
    if (runId === except?.runId) continue
    const open = await readHistory(client, history, told)
    for (const pending of await pendingAt(client, execution)) {
      const said = await saidIn(client, pending)
      told.said.push(...said)
      const visit = open.get(pending.activityId ?? '')
      const isErased = said.some(saysErased) || (bases.length === 0 && isUnheard(pending, visit))
      if (visit && isErased) visit.doubt = ERASED
    }
  }
  return told
}

/** A worker has found that it was so. */
export function saysErased(said: unknown): boolean {
  return typeof said === 'object' && said !== null && 'isErased' in said && said.isErased === true
}

/** It was tried before, and of that neither a heartbeat is left nor a failure but that its worker was not heard of any more. */
function isUnheard(pending: Pending, visit: Open | undefined): boolean {
  const { attempt, heartbeatDetails, lastFailure, scheduledTime } = pending
  const isLater = (attempt ?? 1) > 1 || (!!visit && msOf(scheduledTime) > msOf(visit.scheduledAt))
  return isLater && !heartbeatDetails && (!lastFailure || !!lastFailure.timeoutFailureInfo)
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

type Pending = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number]

/** Activities at the door that are not over, also where their execution is. */
async function pendingAt(client: Client, { workflowId, runId }: Execution): Promise<Pending[]> {
  const described = await unlessGone(() => client.workflow.getHandle(workflowId, runId).describe())
  const pending = described?.raw.pendingActivities ?? []
  return pending.filter(({ activityType }) => activityType?.name === 'perform')
}

/** Temporal keeps the last heartbeat of an activity that is not over, and what its last attempt has failed with. */
async function saidIn(client: Client, { heartbeatDetails, lastFailure }: Pending): Promise<unknown[]> {
  const told = await valuesIn(client, heartbeatDetails)
  return [...told, ...(await valuesIn(client, lastFailure?.applicationFailureInfo?.details))]
}

/**
 * What is left of the attempts before. Of the failure of the last one Temporal keeps some 4 KB, and cuts what went along
 * with it first; the SDK says that an activity was reset or paused in the place of what it has failed with.
 */
export async function lookBack(
  client: Client,
  { workflowId, runId }: Execution,
  activityId: string,
): Promise<{ failure: 'none' | 'cut' | 'unheard' | 'whole'; said: unknown[]; isAfterReset: boolean }> {
  const { raw } = await client.workflow.getHandle(workflowId, runId).describe()
  const lastFailure = raw.pendingActivities?.find((one) => one.activityId === activityId)?.lastFailure
  const { applicationFailureInfo: info, timeoutFailureInfo: timeout } = lastFailure ?? {}
  const isWhole = info && !['ActivityReset', 'ActivityPause'].includes(info.type ?? '')
  const firstRunId = raw.workflowExecutionInfo?.firstRunId
  return {
    failure: lastFailure ? (timeout ? 'unheard' : isWhole ? 'whole' : 'cut') : 'none',
    said: await valuesIn(client, info?.details),
    isAfterReset: !!firstRunId && firstRunId !== runId,
  }
}

/** `only`: the id of one of the activities. */
export async function saidByPending(client: Client, execution: Execution, only?: string): Promise<unknown[]> {
  const said: unknown[] = []
  for (const pending of await pendingAt(client, execution))
    if (pending.activityId === only || only === undefined) said.push(...(await saidIn(client, pending)))
  return said
}

function msOf(time: Time): number {
  return Number(time?.seconds ?? 0) * 1_000 + Math.floor((time?.nanos ?? 0) / 1_000_000)
}

/** The executions that this one was reset from. */
function basesIn(history: History): string[] {
  return history.flatMap(({ workflowTaskFailedEventAttributes }) => {
    const base = workflowTaskFailedEventAttributes?.baseRunId
    return base ? [base] : []
  })
}

interface Open extends Visit {
  activityId: string
  scheduledAt: Time
  /** Of the worker that has taken it up. */
  worker?: string | null | undefined
}

/** Gives the visits that are not over, by the id of their activity. */
async function readHistory(
  client: Client,
  history: History,
  { visits, said }: Told,
): Promise<Map<string, Open>> {
  const byEvent = new Map<string, Open>()
  for (const event of history) {
    const scheduled = event.activityTaskScheduledEventAttributes
    if (scheduled?.activityType?.name === 'perform') {
      const input = await valuesIn(client, scheduled.input)
      const { activityId } = scheduled
      const visit = {
        input,
        result: undefined,
        doubt: null,
        activityId: activityId ?? '',
        scheduledAt: event.eventTime,
      }
      byEvent.set(String(event.eventId), visit)
      visits.push(visit)
    }
    const started = event.activityTaskStartedEventAttributes
    const begun = byEvent.get(String(started?.scheduledEventId))
    // Who ends an activity between two attempts is noted as if he had taken it up, without a request of his.
    if (begun) begun.worker = started?.requestId ? started.identity : BY_HAND
    const end = endIn(event)
    const visit = byEvent.get(String(end?.scheduledEventId))
    if (!end || !visit) continue
    byEvent.delete(String(end.scheduledEventId))
    const told = await valuesIn(client, end.said)
    said.push(...told)
    if (end.result) [visit.result] = await valuesIn(client, end.result)
    if (told.some(saysErased)) visit.doubt = ERASED
    // Temporal ends what it has cancelled between two attempts, and what has taken too long: that names no worker.
    if (visit.worker && end.identity && visit.worker !== end.identity) visit.doubt = BY_HAND
  }
  return new Map([...byEvent.values()].map((visit) => [visit.activityId, visit]))
}

interface End {
  scheduledEventId?: unknown
  identity?: string | null
  said?: Values
  result?: Values
}

function endIn(event: History[number]): End | null {
  const { activityTaskFailedEventAttributes: failed, activityTaskTimedOutEventAttributes: timedOut } = event
  const { activityTaskCompletedEventAttributes: completed, activityTaskCanceledEventAttributes: canceled } =
    event
  if (completed) return completed
  if (failed) return { ...failed, said: failed.failure?.applicationFailureInfo?.details }
  if (timedOut) return { ...timedOut, said: timedOut.failure?.timeoutFailureInfo?.lastHeartbeatDetails }
  return canceled ? { ...canceled, said: canceled.details } : null
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
