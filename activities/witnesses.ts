/**
 * What Temporal knows of a write that the ledger has as never sent, of a run that is over. A ledger that was restored
 * from a backup says so of writes that were sent since; what is signed of them must not be more than was seen.
 */
import type { Client, WorkflowHandle } from '@temporalio/client'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { listDecisions } from '../db/queries/approvals.ts'
import { hasReceiptAt } from '../db/queries/receipts.ts'
import type { WritebackRow } from '../db/queries/writebacks.ts'
import type { Database } from '../db/database.ts'
import { decodePayloads, readRunEnd } from '../lib/receipts-head.ts'
import { CodedError } from '../schemas/errors.ts'
import { writebackWorkflowId } from '../schemas/names.ts'
import type { Call, Envelope, PerformResult, WriteOutcome, WriteStatus } from '../schemas/run.ts'
import { executionState } from './executions.ts'

interface WitnessDeps {
  client: Client
  database: Database
}

const NEVER_SENT: readonly WriteStatus[] = ['refused', 'rejected', 'expired', 'withdrawn']

/** In words; null if nothing disproves the ledger. */
export async function whatLedgerMisses(deps: WitnessDeps, row: WritebackRow): Promise<string | null> {
  try {
    return await missedBy(deps, row)
  } catch (error) {
    // Our own database keeps large values. One that is gone may have said anything.
    if (!(error instanceof CodedError) || error.code !== 'PAYLOAD_UNAVAILABLE') throw error
    return 'its history names a value that the database does not have any more'
  }
}

async function missedBy({ client, database }: WitnessDeps, row: WritebackRow): Promise<string | null> {
  const { organization, writeback_id: writebackId, run_id: runId } = row
  const { isTold, head } = await readRunEnd(client, { workflowId: row.run_workflow_id })
  const isReached = head === null || (await hasReceiptAt(database, { runId, ...head }))
  if (isTold && isReached) return null
  const { outcome, decisions } = await whatWasSaid(client, row)
  if (outcome && NEVER_SENT.includes(outcome.status)) return null
  if (outcome) {
    const { seq, sha256 } = outcome.receipt
    return `its history says ${outcome.status}, with receipt ${seq}, ${sha256.slice(0, 12)}…`
  }
  if (!isReached)
    return `its end says that it has ${head.count} receipts, the last being ${head.sha256.slice(0, 12)}…`
  const recorded = new Set((await listDecisions(database, { organization, writebackId })).map(payloadOf))
  return decisions.some((decision) => !recorded.has(payloadOf(decision)))
    ? 'it has acted on a decision that is not recorded'
    : null
}

interface Said {
  /** The last that the door has told of the write. */
  outcome: WriteOutcome | null
  /** With which the door was asked to let it pass. */
  decisions: Envelope[]
}

/** By the run itself, and by the workflow of a write that had to wait. */
async function whatWasSaid(client: Client, row: WritebackRow): Promise<Said> {
  const said: Said = { outcome: null, decisions: [] }
  const waiting = writebackWorkflowId({ ...row, writebackId: row.writeback_id })
  for (const workflowId of [row.run_workflow_id, waiting]) {
    const passages = await passagesIn(client, workflowId)
    for (const { input, result } of passages) {
      const [call, decisions] = input as [Call?, Envelope[]?]
      if (call?.origin?.writebackId !== row.writeback_id) continue
      said.decisions.push(...(decisions ?? []))
      const outcome = (result as PerformResult | undefined)?.kind === 'done' && (result as Done).outcome
      if (outcome && outcome.kind === 'write') said.outcome = outcome
    }
  }
  return said
}

type Done = Extract<PerformResult, { kind: 'done' }>

/** Each time that the latest execution has asked the door, and the answer if there was one. */
async function passagesIn(
  client: Client,
  workflowId: string,
): Promise<{ input: unknown[]; result: unknown }[]> {
  const passages = new Map<string, { input: unknown[]; result: unknown }>()
  for (const { eventId, ...event } of await eventsOf(client, workflowId)) {
    const scheduled = event.activityTaskScheduledEventAttributes
    if (scheduled?.activityType?.name === 'perform') {
      const input = await valuesIn(client, scheduled.input?.payloads)
      passages.set(String(eventId), { input, result: undefined })
    }
    const completed = event.activityTaskCompletedEventAttributes
    const passage = completed && passages.get(String(completed.scheduledEventId))
    if (passage) [passage.result] = await valuesIn(client, completed.result?.payloads)
  }
  return [...passages.values()]
}

/** None of one that was not needed, or that Temporal has forgotten. */
async function eventsOf(client: Client, workflowId: string): Promise<HistoryEvents> {
  if ((await executionState(client, workflowId, Date.now())) === 'gone') return []
  return (await client.workflow.getHandle(workflowId).fetchHistory()).events ?? []
}

type HistoryEvents = NonNullable<Awaited<ReturnType<WorkflowHandle['fetchHistory']>>['events']>

async function valuesIn(client: Client, payloads: Payload[] | null | undefined): Promise<unknown[]> {
  const decoded = await decodePayloads(client, payloads ?? [])
  return decoded.map((payload) => defaultPayloadConverter.fromPayload(payload))
}

function payloadOf({ payload }: Envelope): string {
  return payload
}
