/**
 * What Temporal knows of a write that the ledger has as never sent. A ledger that was restored from a backup, or has been
 * taken over by a standby, says so of writes that were sent since; what is signed of them must not be more than was seen.
 */
import type { Client } from '@temporalio/client'
import { listDecisions } from '../db/queries/approvals.ts'
import { hasReceiptAt } from '../db/queries/receipts.ts'
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { readRunEnd } from '../lib/receipts-head.ts'
import { CodedError } from '../schemas/errors.ts'
import { writebackWorkflowId } from '../schemas/names.ts'
import type { Call, Envelope, PerformResult, WriteOutcome, WriteStatus } from '../schemas/run.ts'
import { claimsAmong, saysAsMuch, toldInWords, type AboutClaim } from './claims.ts'
import type { DoorDeps } from './door.ts'
import { whatWasTold, type Execution } from './histories.ts'

export interface WitnessDeps {
  client: Client
  door: Pick<DoorDeps, 'database' | 'trust'>
}

const NEVER_SENT: readonly WriteStatus[] = ['refused', 'rejected', 'expired', 'withdrawn']

/** In words; null if nothing disproves the ledger. */
export async function whatLedgerMisses(deps: WitnessDeps, row: WritebackRow): Promise<string | null> {
  try {
    return await missedBy(deps, row)
  } catch (error) {
    if (isValueGone(error)) return GONE
    throw error
  }
}

/** Our own database keeps large values. One that is gone may have said anything. */
const GONE = 'its history names a value that the database does not have any more'

function isValueGone(error: unknown): boolean {
  return error instanceof CodedError && error.code === 'PAYLOAD_UNAVAILABLE'
}

async function missedBy({ client, door }: WitnessDeps, row: WritebackRow): Promise<string | null> {
  const { database } = door
  const { organization, writeback_id: writebackId, run_id: runId } = row
  const { head } = await readRunEnd(client, { workflowId: row.run_workflow_id })
  const isReached = head === null || (await hasReceiptAt(database, { runId, ...head }))
  // Also of a run that has told its end: one that has failed at its write leaves it open.
  const about = { organization, writebackId, runWorkflowId: row.run_workflow_id }
  const { outcome, decisions, said, doubt } = await whatWasSaid(client, about)
  if (outcome) return NEVER_SENT.includes(outcome.status) ? null : inWords(outcome)
  const unknown = claimsAmong(door, said, about).find((claim) => !saysAsMuch(door, row, claim))
  if (unknown) return toldInWords(unknown)
  if (doubt) return doubt
  if (!isReached)
    return `its end says that it has ${head.count} receipts, the last being ${head.sha256.slice(0, 12)}…`
  const recorded = new Set((await listDecisions(database, { organization, writebackId })).map(payloadOf))
  return decisions.some((decision) => !recorded.has(payloadOf(decision)))
    ? 'it has acted on a decision that is not recorded'
    : null
}

/** What executions have told of a write: those that a Reset has left behind, others under the same id, or all. */
export interface Earlier {
  /** With an outcome other than that nothing was sent, or why they may have told of one, in words. */
  end: string | null
  /** What their attempts have said; claims are among it. */
  said: unknown[]
}

/** `asking`: the execution for which this is asked, where its own history is no witness. */
export async function askEarlier(
  client: Client,
  about: AboutClaim & { runWorkflowId: string },
  asking?: Execution,
): Promise<Earlier> {
  try {
    const { outcome, said, doubt } = await whatWasSaid(client, about, asking)
    const isEnd = outcome !== null && !NEVER_SENT.includes(outcome.status)
    return { end: isEnd ? inWords(outcome) : doubt, said }
  } catch (error) {
    if (isValueGone(error)) return { end: GONE, said: [] }
    throw error
  }
}

/** What the run, or the workflow of the write, was told of its end. Null: nothing, or nothing that can still be read. */
export async function endToldOf(client: Client, row: WritebackRow): Promise<WriteOutcome | null> {
  const { organization, writeback_id: writebackId, run_workflow_id: runWorkflowId } = row
  try {
    return (await whatWasSaid(client, { organization, writebackId, runWorkflowId })).outcome
  } catch (error) {
    if (isValueGone(error)) return null
    throw error
  }
}

/** The conclusion about a write that its row calls planned, where a witness says more. */
export function olderThanRun(missed: string, target: string) {
  const message = `the ledger is older than the run: it says that this was never sent, and of the run ${missed}; look at ${target}`
  return { status: 'unknown', code: 'OUTCOME_UNKNOWN', message } as const
}

function inWords({ status, receipt }: WriteOutcome): string {
  return `its history says ${status}, with receipt ${receipt.seq}, ${receipt.sha256.slice(0, 12)}…`
}

interface Said {
  /** That the door has told of the write; one that says more than that it was never sent, if there is one. */
  outcome: WriteOutcome | null
  /** With which the door was asked to let it pass. */
  decisions: Envelope[]
  said: unknown[]
  /** Why more may have been told than there is here, in words. */
  doubt: string | null
}

/** By the run itself, and by the workflow of a write that had to wait. */
async function whatWasSaid(
  client: Client,
  about: AboutClaim & { runWorkflowId: string },
  except?: Execution,
): Promise<Said> {
  const { writebackId, runWorkflowId } = about
  const outcomes: WriteOutcome[] = []
  const all: Said = { outcome: null, decisions: [], said: [], doubt: null }
  for (const workflowId of [runWorkflowId, writebackWorkflowId(about)]) {
    const { visits, said } = await whatWasTold(client, workflowId, except)
    all.said.push(...said)
    for (const { input, result, doubt } of visits) {
      const [call, decisions] = input as [Call?, Envelope[]?]
      if (call?.origin?.writebackId !== writebackId) continue
      all.decisions.push(...(decisions ?? []))
      all.doubt ??= doubt
      const outcome = (result as PerformResult | undefined)?.kind === 'done' && (result as Done).outcome
      if (outcome && outcome.kind === 'write') outcomes.push(outcome)
    }
  }
  const outcome = outcomes.find(({ status }) => !NEVER_SENT.includes(status)) ?? outcomes[0] ?? null
  return { ...all, outcome }
}

type Done = Extract<PerformResult, { kind: 'done' }>

function payloadOf({ payload }: Envelope): string {
  return payload
}
