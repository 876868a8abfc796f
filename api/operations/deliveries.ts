/** Handlers: deliveries. */
import { findDelivery, listDeliveries, type DeliveryListRow } from '../../db/queries/delivery-lists.ts'
import type { Database } from '../../db/database.ts'
import { listHeads } from '../../db/queries/manifests.ts'
import { nearestName } from '../../lib/nearest-name.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { openList, TimePositionSchema } from '../pages.ts'
import { workflowUrl, type TemporalAccess } from '../temporal.ts'
import { isoTime, requesterView } from '../views.ts'
import { implement } from './implement.ts'

const list = implement(OPERATIONS.listDeliveries, async ({ database, temporal }, { query, principal }) => {
  const list = openList('deliveries', query, TimePositionSchema)
  const rows = await listDeliveries(database, {
    ...query,
    organization: principal.organization,
    limit: list.limit,
    before: list.after && { receivedAt: list.after.createdAt, id: list.after.id },
  })
  return list.page(rows, {
    item: (row) => deliveryView(row, temporal),
    position: ({ position, id }) => ({ createdAt: position, id }),
  })
})

const get = implement(OPERATIONS.getDelivery, async ({ database, temporal }, { params, principal }) => {
  const { organization } = principal
  const row = await findDelivery(database, { organization, id: params.delivery_id })
  if (!row) throw new CodedError('NOT_FOUND', `There is no delivery ${params.delivery_id}.`)
  return { ...deliveryView(row, temporal), nothing_because: await whyNothing(database, row) }
})

/** By the triggers of this moment, which may be others than those of its arrival. */
async function whyNothing(database: Database, row: DeliveryListRow): Promise<string | null> {
  const [kind, connection, ...rest] = row.source.split('/')
  if (kind !== 'event' || row.runs.length > 0 || row.skipped.length > 0) return null
  const heads = await listHeads(database, { organization: row.organization })
  const triggers = heads.flatMap(({ body }) => (body.kind === 'Automation' ? body.spec.triggers : []))
  const types = [
    ...new Set(triggers.filter((one) => one.connection === connection).map(({ event }) => event)),
  ]
  const type = rest.join('/')
  if (types.includes(type))
    return 'No automation has taken it: the filters of their triggers, or triggers that came later.'
  const nearest = nearestName(type, types)
  const known =
    types.length === 0 ? 'none has one for this connection' : `there are: ${types.slice(0, 20).join(', ')}`
  return `No automation has a trigger for ${type}${nearest ? `; did you mean ${nearest}?` : `; ${known}.`}`
}

function deliveryView(row: DeliveryListRow, temporal: TemporalAccess) {
  const { id, source, dedupe_key, requester, state, received_at, started_at, attempts, last_error } = row
  return {
    delivery_id: id,
    source,
    dedupe_key,
    requester: requesterView(requester),
    state,
    received_at: isoTime(received_at),
    started_at: started_at && isoTime(started_at),
    attempts,
    last_error,
    runs: row.runs.map(({ runId, automation, revision, workflowId }) => ({
      run_id: runId,
      automation,
      revision,
      temporal_workflow_id: workflowId,
      temporal_ui_url: workflowUrl(temporal, workflowId),
    })),
    skipped: row.skipped,
  }
}

export const deliveryOperations = [list, get]
