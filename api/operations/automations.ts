/** Handlers: automations, and pausing them. That a paused one starts nothing is the front door's doing. */
import type { Database } from '../../db/database.ts'
import {
  findHead,
  listAutomations,
  type AutomationListRow,
  type RevisionRow,
} from '../../db/queries/manifests.ts'
import { deletePause, insertPause, listPauses } from '../../db/queries/pauses.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { triggerIdOf, WHOLE_AUTOMATION, type PauseRow } from '../../lib/pauses.ts'
import { NamePositionSchema, openList } from '../pages.ts'
import { isoTime } from '../views.ts'
import { implement } from './implement.ts'

const list = implement(OPERATIONS.listAutomations, async ({ database }, { query, principal }) => {
  const { organization } = principal
  const list = openList('automations', query, NamePositionSchema)
  const { rows, isCut } = await listAutomations(database, {
    organization,
    paused: query.paused === undefined ? undefined : query.paused === 'true',
    connection: query.connection,
    after: list.after,
    limit: list.limit,
  })
  const pauses = await listPauses(database, { organization, automations: rows.map(({ name }) => name) })
  return list.page(rows, { item: (row) => stateOf(row, pauses), position: ({ name }) => name, isCut })
})

const get = implement(OPERATIONS.getAutomation, ({ database }, { params, principal }) =>
  stateNow(database, { organization: principal.organization, name: params.name }),
)

const pause = implement(OPERATIONS.pauseAutomation, async ({ database }, { params, body, principal }) => {
  const named = { organization: principal.organization, name: params.name }
  const trigger = await requireTrigger(database, named, body.trigger)
  const { organization, name: automation } = named
  await insertPause(database, { organization, automation, trigger, by: principal.id, reason: body.reason })
  return stateNow(database, named)
})

const resume = implement(OPERATIONS.resumeAutomation, async ({ database }, { params, body, principal }) => {
  const named = { organization: principal.organization, name: params.name }
  // One that the automation no longer has is let go as well: it would come back paused with a later revision.
  const trigger = body.trigger ?? WHOLE_AUTOMATION
  await requireAutomation(database, named)
  await deletePause(database, { organization: named.organization, automation: named.name, trigger })
  return stateNow(database, named)
})

interface Named {
  organization: string
  name: string
}

async function requireAutomation(database: Database, { organization, name }: Named): Promise<RevisionRow> {
  const row = await findHead(database, { organization, kind: 'Automation', name })
  if (!row) throw new CodedError('NOT_FOUND', `There is no automation ${name}.`)
  return row
}

async function requireTrigger(database: Database, named: Named, trigger: string | undefined) {
  const row = await requireAutomation(database, named)
  if (trigger === undefined) return WHOLE_AUTOMATION
  const known = triggersOf(specOf(row))
  if (known.includes(trigger)) return trigger
  const has = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`
  throw new CodedError('NOT_FOUND', `Automation ${named.name} has no trigger ${trigger}; ${has}.`)
}

async function stateNow(database: Database, named: Named) {
  const row = await requireAutomation(database, named)
  const { organization, name } = named
  return stateOf(
    { ...row, spec: specOf(row) },
    await listPauses(database, { organization, automations: [name] }),
  )
}

function stateOf(row: AutomationListRow, pauses: readonly PauseRow[]) {
  const own = new Map(pauses.filter(({ automation }) => automation === row.name).map((p) => [p.trigger, p]))
  return {
    name: row.name,
    revision: row.number,
    description: row.spec.description ?? null,
    paused: pauseView(own.get(WHOLE_AUTOMATION)),
    triggers: triggersOf(row.spec).map((trigger) => ({ trigger, paused: pauseView(own.get(trigger)) })),
  }
}

function triggersOf({ triggers }: Pick<AutomationSpec, 'triggers'>): string[] {
  return [...new Set(triggers.map(triggerIdOf))]
}

function specOf({ name, body }: RevisionRow): AutomationSpec {
  if (body.kind !== 'Automation') throw new Error(`${name} is not an automation`)
  return body.spec
}

function pauseView(row: PauseRow | undefined) {
  return row ? { at: isoTime(row.paused_at), by: row.paused_by, reason: row.reason } : null
}

export const automationOperations = [list, get, pause, resume]
