/**
 * The front door: what arrives is matched and stored first, and started second. A 2xx means that it is stored; from
 * then on it starts its runs exactly once, whatever dies in between.
 */
import { inTransaction, type Database, type Queryable } from '../db/database.ts'
import {
  findDeliveryByKey,
  insertDelivery,
  noteSkipped,
  type DeliveredRun,
  type DeliveryRow,
  type SkippedAutomation,
} from '../db/queries/deliveries.ts'
import { listAutomationsForEvent, type RevisionRow } from '../db/queries/manifests.ts'
import { listPauses } from '../db/queries/pauses.ts'
import { digestOf, sha256Hex } from '../lib/canonical-json.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { unstorableTexts } from '../lib/storable.ts'
import { CodedError } from '../schemas/errors.ts'
import { runWorkflowId } from '../schemas/names.ts'
import type { Requester } from '../schemas/run.ts'
import { findAutomation, startPlaces, throwIfAny } from './deliveries/input.ts'
import { groupMatches, matchEvent, type AutomationRevision, type DeliveryGroup } from './deliveries/match.ts'
import { pausedBecause } from '../lib/pauses.ts'
import { startDelivery, type StartDeps } from './deliveries/start.ts'
import { newId } from './ids.ts'

export { startDelivery } from './deliveries/start.ts'

export interface StartRequest {
  organization: string
  automation: string
  input: JsonValue
  requester: Requester
  idempotencyKey: string | undefined
}

export interface AcceptedStart {
  delivery: DeliveryRow
  state: DeliveryRow['state']
  duplicate: boolean
}

/** A start that somebody asks for. The same key with the same request gives the first delivery again. */
export async function acceptStart(deps: StartDeps, request: StartRequest): Promise<AcceptedStart> {
  const { organization, automation, requester, idempotencyKey } = request
  // Neither the digest nor the database can hold such texts: then all that is wrong is told before anything else.
  if (unstorableTexts(request.input, 'input').length > 0) await checkStart(deps.database, request)
  const source = `api/${automation}`
  const requestSha256 = digestOfRequest(request)
  // Looked up before the input is checked again: what was accepted stays so, whatever the automation has become.
  const known =
    idempotencyKey === undefined
      ? undefined
      : await findDeliveryByKey(deps.database, { organization, source, dedupeKey: idempotencyKey })
  const id = newId('dlv')
  const delivery =
    known ??
    (await insertDelivery(deps.database, {
      id,
      organization,
      source,
      dedupeKey: idempotencyKey ?? id,
      requestSha256,
      requester,
      runs: [await freezeRun(deps.database, request, id)],
    }))
  if (delivery.request_sha256 !== requestSha256) {
    throw new CodedError('IDEMPOTENCY_CONFLICT', `The key belongs to delivery ${delivery.id}.`)
  }
  return { delivery, state: await startDelivery(deps, delivery), duplicate: delivery.id !== id }
}

export interface EventRequest {
  organization: string
  connection: string
  type: string
  data: JsonObject
  idempotencyKey: string | undefined
}

/**
 * An event of a connection, with all that it starts, stored in one transaction. What is known already starts nothing: by
 * the sender's key the whole event, by its own `dedupe` one automation of it. Where both are given, both have to be new.
 */
export async function acceptEvent(deps: StartDeps, request: EventRequest): Promise<DeliveryRow[]> {
  const { organization, connection, type, data, idempotencyKey } = request
  const rows = await listAutomationsForEvent(deps.database, { organization, connection, event: type })
  const pauses = await listPauses(deps.database, { organization, automations: rows.map(({ name }) => name) })
  const event = { organization, connection, type, data }
  const matched = await matchEvent(event, rows.map(toAutomation), pauses)
  const skipped = matched.failures.map(({ automation, error }) => {
    const { code, message: detail } = error
    return { automation, code, detail }
  })
  for (const { automation, code, detail } of skipped) {
    deps.logger.warn(
      { organization, connection, automation, code, detail },
      'an event does not start an automation that has a trigger for it',
    )
  }
  const groups = groupMatches(matched.matches, idempotencyKey)
  const deliveries = await storeGroups(deps.database, request, { groups, skipped })
  await Promise.all(deliveries.map((delivery) => startDelivery(deps, delivery)))
  return deliveries
}

function storeGroups(
  database: Database,
  request: EventRequest,
  { groups, skipped }: { groups: readonly DeliveryGroup[]; skipped: readonly SkippedAutomation[] },
): Promise<DeliveryRow[]> {
  const { organization, connection, type, data } = request
  const requester: Requester = { principal: `connection/${connection}`, kind: 'service', onBehalfOf: [] }
  const requestSha256 = sha256Hex(JSON.stringify({ type, data }))
  const source = eventSource(connection, type)
  const common = { organization, source, requestSha256, requester, skipped }
  return inTransaction(database, async (tx) => {
    const rows: DeliveryRow[] = []
    // In a fixed order, so that the same event coming twice at once does not lock crosswise; the sender's key comes first.
    for (const { key, isSenders, matches } of groups.toSorted(byKey)) {
      const id = newId('dlv')
      const runs = matches.map((match) => toRun(organization, id, match))
      const row = await insertDelivery(tx, { ...common, id, dedupeKey: key ?? id, runs })
      rows.push(row)
      if (row.id !== id && row.request_sha256 !== requestSha256) await noteOther(tx, row.id, matches)
      if (isSenders && row.id !== id) break
    }
    return rows
  })
}

/** Whoever wonders why an event did nothing finds it here; what came first stays what counts. */
async function noteOther(tx: Queryable, id: string, matches: DeliveryGroup['matches']): Promise<void> {
  const automations = matches.map(({ automation }) => automation)
  await noteSkipped(tx, id, {
    automation: automations.length === 0 ? '(all)' : automations.join(', '),
    code: 'IDEMPOTENCY_CONFLICT',
    detail: 'it came again with other content under the same key, and that started nothing',
  })
}

async function freezeRun(
  database: Database,
  request: StartRequest,
  deliveryId: string,
): Promise<DeliveredRun> {
  const { organization, automation, input } = request
  const revision = await checkStart(database, request)
  return toRun(organization, deliveryId, { automation, revision, input })
}

/** The revision that would be started. Throws NOT_FOUND, that it is paused, INVALID_INPUT with every place. */
async function checkStart(database: Database, request: StartRequest): Promise<number> {
  const { organization, automation, input, requester } = request
  const { spec, revision } = await findAutomation(database, request)
  const paused = pausedBecause(
    await listPauses(database, { organization, automations: [automation] }),
    automation,
  )
  if (paused) throw paused
  const { onBehalfOf } = requester
  throwIfAny(await startPlaces(database, spec, { organization, input, onBehalfOf }))
  return revision
}

function toRun(
  organization: string,
  deliveryId: string,
  { automation, revision, input }: Pick<DeliveredRun, 'automation' | 'revision' | 'input'>,
): DeliveredRun {
  const workflowId = runWorkflowId({ organization, automation, deliveryId })
  return { runId: newId('run'), workflowId, automation, revision, input }
}

function toAutomation({ name, number, body }: RevisionRow): AutomationRevision {
  if (body.kind !== 'Automation') throw new Error(`${name} is not an automation`)
  return { name, revision: number, spec: body.spec }
}

/** Who asks is part of it: nobody gets another's delivery by guessing a key. */
function digestOfRequest({ automation, input, requester }: StartRequest): string {
  return digestOf({ automation, input, requester })
}

/** A type that no trigger can name is not kept as it came. */
function eventSource(connection: string, type: string): string {
  const shown = /^[!-~]{1,128}$/.test(type) ? type : `sha256:${sha256Hex(type)}`
  return `event/${connection}/${shown}`
}

function byKey(a: DeliveryGroup, b: DeliveryGroup): number {
  if (a.isSenders !== b.isSenders) return a.isSenders ? -1 : 1
  return (a.key ?? '') < (b.key ?? '') ? -1 : 1
}
