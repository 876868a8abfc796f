/**
 * Closes what executions that are over have left open: operators terminate things, and then nobody is left to say what
 * became of a write. Planned becomes `withdrawn`, unless Temporal knows that the ledger is the older one, or has forgotten the run; sent becomes
 * `unknown`, each with its receipt, through the ledger like any other outcome. Nothing is concluded about an execution
 * that is alive, nor of a row that no worker has signed as it is; two reconcilers at once do no more than one. A write that is alive although its run is over is asked to
 * end. Approvals that are alive are told what has been decided.
 */
import { WorkflowNotFoundError, type Client } from '@temporalio/client'
import { updateApproval } from '../db/queries/approvals.ts'
import {
  listOpenWritebacks,
  listWaitingApprovals,
  loadDatabaseClock,
  type OpenWriteback,
  type WaitingApproval,
} from '../db/queries/open-rows.ts'
import { findWriteback, type WritebackRow } from '../db/queries/writebacks.ts'
import { inLanes } from '../lib/lanes.ts'
import { CodedError } from '../schemas/errors.ts'
import { writebackWorkflowId } from '../schemas/names.ts'
import type { WriteOutcome } from '../schemas/run.ts'
import type { ReconcileReport } from '../schemas/upkeep.ts'
import type { DoorDeps } from './door.ts'
import { executionState, namespaceKnowsUs, type ExecutionState } from './executions.ts'
import { closePlanned } from './ledger.ts'
import { remindApprovals } from './reminders.ts'
import { concludeUnknown } from './sending.ts'
import { isPlanned } from './signed-rows.ts'
import { olderThanRun, whatLedgerMisses } from './witnesses.ts'

/** Younger rows may belong to an execution that is just about to start, or to an attempt that is about to record. */
const MIN_AGE_MS = 60_000
/** In one pass, of each table: with more open rows than that, each is looked at every few minutes. */
const LIMIT = 500
const LANES = 8

export interface ReconcileDeps {
  door: DoorDeps
  client: Client
  /** Of the attempt of this activity, by Temporal's clock. */
  scheduledAtMs: number
}

/** `after`: where the last pass ended. Empty, or anything else, is a good place to start. */
export async function reconcile(
  deps: ReconcileDeps,
  after: ReconcileReport['next'],
): Promise<ReconcileReport> {
  const clock = await readClock(deps)
  const { database, nowMs } = deps.door
  const page = { minAgeMs: MIN_AGE_MS, limit: LIMIT }
  const rows = await listOpenWritebacks(database, { ...page, after: after.writeback })
  const approvals = await listWaitingApprovals(database, { ...page, after: after.approval })
  const pass: Pass = {
    ...deps,
    stateOf: (workflowId) => executionState(deps.client, workflowId, nowMs()),
    isGoneCredible: await namespaceKnowsUs(deps.client, database),
    report: {
      looked: rows.length + approvals.length,
      withdrawn: 0,
      unknown: 0,
      approvals: 0,
      reminded: 0,
      failed: 0,
      doubted: 0,
      unproven: 0,
      next: {
        writeback: rows.length === LIMIT ? (rows.at(-1)?.writebackId ?? '') : '',
        approval: approvals.length === LIMIT ? (approvals.at(-1)?.approval_id ?? '') : '',
        alive: '',
      },
      clock,
    },
  }
  await inLanes(rows, LANES, (open) => reconcileWriteback(pass, open))
  await inLanes(approvals, LANES, (row) => reconcileApproval(pass, row))
  await remind(pass, after.alive)
  return pass.report
}

interface Pass extends ReconcileDeps {
  stateOf: (workflowId: string) => Promise<ExecutionState>
  isGoneCredible: boolean
  report: ReconcileReport
}

/** Two executions may have to do with a row: its run, and a writeback workflow if it has one. */
async function reconcileWriteback(pass: Pass, open: OpenWriteback): Promise<void> {
  const { report } = pass
  // One by one, for each may be as large as a write can be.
  const row = await findWriteback(pass.door.database, open)
  if (!row) return
  // It names the run that is asked.
  if (!isPlanned(pass.door, row)) return void report.unproven++
  const run = await pass.stateOf(row.run_workflow_id)
  if (!isOver(pass, run)) return
  // Last, so that as little time as can be lies between this look and the conclusion.
  const workflowId = writebackWorkflowId({ ...row, writebackId: row.writeback_id })
  if ((await pass.stateOf(workflowId)) === 'alive') return endOrphan(pass, workflowId)
  try {
    const outcome = await conclude(pass, row, run)
    if (outcome.status === 'withdrawn') report.withdrawn++
    if (outcome.status === 'unknown') report.unknown++
  } catch (error) {
    // An attempt that outlived its run was quicker. What it makes of the row is seen in the next pass.
    if (!(error instanceof CodedError && error.code === 'WRITE_IN_PROGRESS')) report.failed++
  }
}

/** Nobody is left to say what became of it: its row has, unless somebody knows better. */
async function conclude(
  { door, client }: Pass,
  row: WritebackRow,
  run: ExecutionState,
): Promise<WriteOutcome> {
  // What Temporal has forgotten, it cannot tell.
  const missed = run === 'gone' ? null : await whatLedgerMisses({ client, door }, row)
  const { target } = row.plan
  if (row.state === 'sending') {
    const lost = `its run has ended, and the answer to attempt ${row.attempt} is lost; look at ${target}`
    return concludeUnknown(door, row, missed ? `${lost}; ${missed}` : lost)
  }
  // Whether it was sent, the run and its heartbeats would say; that it was planned so, which is signed, does not.
  if (run === 'gone') return closePlanned(door, row, withoutWitness(target))
  if (missed === null)
    return closePlanned(door, row, {
      status: 'withdrawn',
      code: 'WITHDRAWN',
      message: 'its run has ended without a word about it, and it was never sent',
    })
  return closePlanned(door, row, olderThanRun(missed, target))
}

function withoutWitness(target: string) {
  const message = `Temporal does not have its run any more, so nobody can say that it was never sent, as the ledger does; look at ${target}`
  return { status: 'unknown', code: 'OUTCOME_UNKNOWN', message } as const
}

/**
 * A Reset takes children from their run. One that is ended before it has found them again leaves them behind, and people
 * could still approve what nobody wants any more.
 */
async function endOrphan({ client, report }: Pass, workflowId: string): Promise<void> {
  try {
    await client.workflow.getHandle(workflowId).cancel()
  } catch (error) {
    // It has ended by itself; its row is closed in the next pass, if it is open then.
    if (!(error instanceof WorkflowNotFoundError)) report.failed++
  }
}

async function reconcileApproval(pass: Pass, row: WaitingApproval): Promise<void> {
  if (!isOver(pass, await pass.stateOf(row.workflow_id))) return
  await updateApproval(pass.door.database, {
    approvalId: row.approval_id,
    state: row.is_expired ? 'expired' : 'withdrawn',
    votes: row.votes,
  })
  pass.report.approvals++
}

async function remind({ door, client, report }: Pass, before: string): Promise<void> {
  const told = await remindApprovals({ ...door, client }, { before, limit: LIMIT })
  report.reminded = told.reminded
  report.failed += told.failed
  report.next.alive = told.before
}

function isOver({ isGoneCredible, report }: Pass, state: ExecutionState): boolean {
  if (state === 'gone' && !isGoneCredible) report.doubted++
  return state === 'closed' || (state === 'gone' && isGoneCredible)
}

/** Deadlines are set by one clock and read by another: `countersign doctor` shows how far they are apart. */
async function readClock({ door, scheduledAtMs }: ReconcileDeps): Promise<ReconcileReport['clock']> {
  const beforeMs = Date.now()
  const databaseMs = await loadDatabaseClock(door.database)
  const afterMs = Date.now()
  return {
    at_ms: beforeMs,
    database_ahead_ms: databaseMs - (beforeMs + afterMs) / 2,
    temporal_ms: scheduledAtMs,
  }
}
