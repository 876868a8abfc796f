/** Handlers: runs. */
import { z } from 'zod'
import { findRunsByWorkflow, listRuns, type RunRow } from '../../db/queries/delivery-lists.ts'
import type { JsonValue } from '../../lib/json.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import type { RunView } from '../../schemas/operations/runs.ts'
import { cancelRun } from '../cancel-run.ts'
import { acceptStart } from '../deliveries.ts'
import { moreStartFaults } from '../deliveries/input.ts'
import type { ApiDeps } from '../deps.ts'
import { openList, type Page } from '../pages.ts'
import { runView } from '../run-view.ts'
import { isTemporalState, listExecutions, statesOf, type TemporalState } from '../run-visibility.ts'
import { workflowUrl, type TemporalAccess } from '../temporal.ts'
import { isoTime } from '../views.ts'
import { implement, type OperationRequest } from './implement.ts'

const PositionSchema = z.object({
  receivedAt: z.iso.datetime({ offset: true }),
  deliveryId: z.string(),
  ordinal: z.int(),
})

const start = implement(
  OPERATIONS.startRun,
  async (deps, { params, body, principal, idempotencyKey }) => {
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
  },
  moreStartFaults,
)

const list = implement(OPERATIONS.listRuns, async (deps, request) => {
  const { state } = request.query
  return isTemporalState(state) ? listByTemporal(deps, request, state) : listByRows(deps, request)
})

type ListRequest = OperationRequest<typeof OPERATIONS.listRuns>

/** What our own rows know: all runs, those that are pending, those that wait. */
async function listByRows({ database, temporal }: ApiDeps, { query, principal }: ListRequest) {
  const { state, automation, connection, since, until } = query
  const list = openList('runs', query, PositionSchema)
  const rows = await listRuns(database, {
    organization: principal.organization,
    automation,
    connection,
    since,
    until,
    state: state === 'pending' ? 'pending' : undefined,
    waitsFor:
      state === 'waiting_for_approval'
        ? 'approval'
        : state === 'waiting_for_resolution'
          ? 'resolution'
          : undefined,
    limit: list.limit,
    before: list.after,
  })
  const states = await statesOf(temporal, rows)
  const page = list.page(rows, {
    item: (row) => runHead(row, states, temporal),
    position: (row) => ({ receivedAt: row.received_at, deliveryId: row.delivery_id, ordinal: row.ordinal }),
  })
  return onlyIn(state, page)
}

/** A state that Temporal alone knows: its page of executions, with our rows to them. */
async function listByTemporal(
  { database, temporal }: ApiDeps,
  { query, principal }: ListRequest,
  state: TemporalState,
) {
  const { organization } = principal
  const { automation, connection, since, until, limit } = query
  const list = openList('runs', query, z.string())
  const filter = { organization, automation, state, since, until, limit, token: list.after }
  const { workflowIds, token } = await listExecutions(temporal, filter)
  const found = await findRunsByWorkflow(database, { organization, workflowIds, connection })
  const rows = found.toSorted(
    (a, b) => workflowIds.indexOf(a.workflow_id) - workflowIds.indexOf(b.workflow_id),
  )
  const states = await statesOf(temporal, rows)
  const items = rows.map((row) => runHead(row, states, temporal))
  return onlyIn(state, { items, next_cursor: token === null ? null : list.cursorAt(token) })
}

/** The states are looked up after the rows: one that is another by now is left out, and the page is shorter. */
function onlyIn<Item extends { state: string | null }>(
  wanted: string | undefined,
  page: Page<Item>,
): Page<Item> {
  if (wanted === undefined) return page
  const fits = ({ state }: Item): boolean =>
    state === null || state === wanted || (wanted === 'running' && state.startsWith('waiting_for_'))
  return { ...page, items: page.items.filter(fits) }
}

function runHead(
  row: RunRow,
  states: ReadonlyMap<string, RunView['state'] | null>,
  temporal: TemporalAccess,
) {
  const { run_id, automation, revision, delivery_id, source, workflow_id } = row
  return {
    run_id,
    automation,
    revision,
    delivery_id,
    source,
    delivery_state: row.state,
    state: states.get(run_id) ?? null,
    received_at: isoTime(row.received_at),
    temporal_workflow_id: workflow_id,
    temporal_ui_url: workflowUrl(temporal, workflow_id),
  }
}

const get = implement(OPERATIONS.getRun, (deps, { params, principal }) =>
  runView(deps, { organization: principal.organization, runId: params.run_id }),
)

const watch = implement(OPERATIONS.watchRun, async ({ watchers }, { params, query, principal, signal }) => {
  const name = { organization: principal.organization, runId: params.run_id }
  const waiting = { after: query.after, waitMs: query.wait * 1_000, signal }
  const { version, run, isOver } = await watchers.next(name, waiting)
  return { version, changed: run !== null, is_over: isOver, run }
})

const cancel = implement(OPERATIONS.cancelRun, async (deps, { params, principal }) => {
  await cancelRun(deps, { organization: principal.organization, runId: params.run_id })
  return { run_id: params.run_id, state: 'cancel_requested' as const }
})

export const runOperations = [start, list, get, watch, cancel]
