/** A run with all that belongs to it, put together from Temporal and from our rows. */
import type { ApprovalRow } from '../db/queries/approvals.ts'
import {
  findDeliveryOfRun,
  findPendingStart,
  type DeliveredRun,
  type DeliveryRow,
} from '../db/queries/deliveries.ts'
import { listReceiptsOfRun } from '../db/queries/receipts.ts'
import {
  listApprovalsOfRun,
  listWritebacksOfRun,
  listWritesOfSteps,
  type WriteOfStep,
} from '../db/queries/run-rows.ts'
import { CodedError } from '../schemas/errors.ts'
import type { RunView } from '../schemas/operations/runs.ts'
import type { ApiDeps } from './deps.ts'
import { heldUpBeforeStart } from './held-up.ts'
import { describeRun } from './run-state.ts'
import { stepsOf } from './run-steps.ts'
import { workflowUrl } from './temporal.ts'
import { approvalView, isoTime, requesterView, writebackView } from './views.ts'

const MAX_SHOWN = 200

export interface RunName {
  organization: string
  runId: string
}

export interface KnownRun {
  delivery: DeliveryRow
  run: DeliveredRun
}

/** Throws NOT_FOUND. */
export async function requireRun({ database }: Pick<ApiDeps, 'database'>, name: RunName): Promise<KnownRun> {
  const delivery = await findDeliveryOfRun(database, name)
  const run = delivery?.runs.find((candidate) => candidate.runId === name.runId)
  if (!delivery || !run) throw new CodedError('NOT_FOUND', `There is no run ${name.runId}.`)
  return { delivery, run }
}

/** What a run is that Temporal does not know. */
export function unknownIs({ delivery, run }: KnownRun): 'pending' | 'cancelled' | 'no_longer_kept' {
  if (delivery.cancelled_run_ids.includes(run.runId)) return 'cancelled'
  return delivery.state === 'pending' ? 'pending' : 'no_longer_kept'
}

export async function runView(deps: ApiDeps, name: RunName): Promise<RunView> {
  const { database, temporal } = deps
  const { delivery, run } = await requireRun(deps, name)
  // First the run, then the rows: what a run that is over has written, the rows have.
  const described = await describeRun(temporal, run.workflowId, unknownIs({ delivery, run }))
  const [writes, writebacks, approvals, receipts] = await Promise.all([
    listWritesOfSteps(database, name),
    listWritebacksOfRun(database, { ...name, limit: MAX_SHOWN }),
    listApprovalsOfRun(database, { ...name, limit: MAX_SHOWN }),
    listReceiptsOfRun(database, { ...name, limit: MAX_SHOWN }),
  ])
  const { workflowId } = run
  const steps = await stepsOf(temporal, { workflowId, described, writes })
  const { execution: _execution, ...state } = described
  const pending = state.state === 'pending' ? await findPendingStart(database, delivery.id) : undefined
  return {
    ...state,
    ...steps,
    ...(pending && { held_up_by: heldUpBeforeStart({ ...delivery, ...pending }, Date.now()) }),
    state: waitingState({ writes, approvals: approvals.rows }, described.state),
    run_id: run.runId,
    automation: run.automation,
    revision: run.revision,
    delivery_id: delivery.id,
    source: delivery.source,
    received_at: isoTime(delivery.received_at),
    temporal_workflow_id: workflowId,
    temporal_ui_url: workflowUrl(temporal, workflowId, described.temporal_run_id),
    input: run.input,
    requester: requesterView(delivery.requester),
    writebacks: writebacks.map(writebackView),
    writebacks_omitted: writes.length > writebacks.length,
    approvals: approvals.rows.map((row) => approvalView(row, temporal)),
    approvals_omitted: approvals.isCut,
    receipts: receipts.rows,
    receipts_omitted: receipts.isCut,
  }
}

/** What a run waits for is in the ledger and the inbox; Temporal only says that it runs. */
function waitingState<State>(
  open: { writes: WriteOfStep[]; approvals: ApprovalRow[] },
  state: State | 'running',
): State | 'running' | 'waiting_for_approval' | 'waiting_for_resolution' {
  if (state !== 'running') return state
  if (open.approvals.some((approval) => approval.state === 'waiting')) return 'waiting_for_approval'
  return open.writes.some((write) => write.state === 'unknown') ? 'waiting_for_resolution' : state
}
