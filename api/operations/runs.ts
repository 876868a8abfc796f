/** Handlers: runs. */
import { z } from 'zod'
import { listApprovals, type ApprovalRow } from '../../db/queries/approvals.ts'
import { findDeliveryOfRun, listRuns } from '../../db/queries/deliveries.ts'
import { listReceipts } from '../../db/queries/receipts.ts'
import { listWritebacks, type WritebackRow } from '../../db/queries/writebacks.ts'
import type { JsonValue } from '../../lib/json.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { acceptStart } from '../deliveries.ts'
import type { ApiDeps } from '../deps.ts'
import { readCursor, toPage } from '../pages.ts'
import { describeRun } from '../run-state.ts'
import { withPatience, workflowUrl } from '../temporal.ts'
import { approvalView, isoTime, requesterView, writebackView } from '../views.ts'
import { implement } from './implement.ts'

const MAX_SHOWN = 200

const PositionSchema = z.object({
  receivedAt: z.iso.datetime({ offset: true }),
  deliveryId: z.string(),
  ordinal: z.int(),
})

const start = implement(OPERATIONS.startRun, async (deps, { params, body, principal, idempotencyKey }) => {
  const { delivery, state, duplicate } = await acceptStart(deps, {
    organization: principal.organization,
    automation: params.name,
    input: body.input as JsonValue,
    requester: { principal: principal.id, kind: principal.kind, onBehalfOf: body.on_behalf_of },
    idempotencyKey,
  })
  const [run] = delivery.runs
  if (!run) throw new Error(`delivery ${delivery.id} has no run`)
  return {
    run_id: run.runId,
    delivery_id: delivery.id,
    state,
    duplicate,
    temporal_workflow_id: run.workflowId,
    temporal_ui_url: workflowUrl(deps.temporal, run.workflowId),
  }
})

const list = implement(OPERATIONS.listRuns, async ({ database, temporal }, { query, principal }) => {
  const rows = await listRuns(database, {
    organization: principal.organization,
    automation: query.automation,
    limit: query.limit + 1,
    before: readCursor(query.cursor, PositionSchema),
  })
  return toPage(rows, query.limit, {
    item: ({ workflow_id, state, received_at, ...same }) => ({
      ...same,
      delivery_state: state,
      received_at: isoTime(received_at),
      temporal_workflow_id: workflow_id,
      temporal_ui_url: workflowUrl(temporal, workflow_id),
    }),
    position: (row) => ({ receivedAt: row.received_at, deliveryId: row.delivery_id, ordinal: row.ordinal }),
  })
})

const get = implement(OPERATIONS.getRun, async (deps, { params, principal }) => {
  const { database, temporal } = deps
  const about = { organization: principal.organization, runId: params.run_id }
  const { delivery, run } = await requireRun(deps, about)
  // First the run, then the rows: what a run that is over has written, the rows have.
  const described = await describeRun(temporal, run.workflowId, delivery.state)
  const [writebacks, approvals, receipts] = await Promise.all([
    listWritebacks(database, { ...about, limit: MAX_SHOWN }),
    listApprovals(database, { ...about, limit: MAX_SHOWN }),
    listReceipts(database, about),
  ])
  return {
    ...described,
    state: waitingState({ writebacks, approvals }, described.state),
    run_id: run.runId,
    automation: run.automation,
    revision: run.revision,
    delivery_id: delivery.id,
    source: delivery.source,
    received_at: isoTime(delivery.received_at),
    temporal_workflow_id: run.workflowId,
    temporal_ui_url: workflowUrl(temporal, run.workflowId),
    input: run.input,
    requester: requesterView(delivery.requester),
    writebacks: writebacks.map(writebackView),
    approvals: approvals.map((row) => approvalView(row, temporal)),
    receipts,
  }
})

const cancel = implement(OPERATIONS.cancelRun, async (deps, { params, principal }) => {
  const { organization } = principal
  const { run } = await requireRun(deps, { organization, runId: params.run_id })
  const handle = deps.temporal.client.workflow.getHandle(run.workflowId)
  await withPatience(deps.temporal, () => handle.cancel())
  return { run_id: run.runId, state: 'cancel_requested' as const }
})

/** What a run waits for is in the ledger and the inbox; Temporal only says that it runs. */
function waitingState<State>(
  open: { writebacks: WritebackRow[]; approvals: ApprovalRow[] },
  state: State | 'running',
): State | 'running' | 'waiting_for_approval' | 'waiting_for_resolution' {
  if (state !== 'running') return state
  if (open.approvals.some((approval) => approval.state === 'waiting')) return 'waiting_for_approval'
  return open.writebacks.some((write) => write.state === 'unknown') ? 'waiting_for_resolution' : state
}

async function requireRun({ database }: ApiDeps, about: { organization: string; runId: string }) {
  const delivery = await findDeliveryOfRun(database, about)
  const run = delivery?.runs.find((candidate) => candidate.runId === about.runId)
  if (!delivery || !run) throw new CodedError('NOT_FOUND', `There is no run ${about.runId}.`)
  return { delivery, run }
}

export const runOperations = [start, list, get, cancel]
