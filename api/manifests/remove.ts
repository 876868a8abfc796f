/**
 * Takes a manifest out of use. What needs it is looked for first: automations that call through a connection, listen to
 * it or start an automation, and writes through it that are not over. An automation that is saved in the same moment is
 * not seen: its runs then say that there is no such connection.
 */
import { inTransaction, type Database } from '../../db/database.ts'
import { listWritesInTheWay } from '../../db/queries/freezes.ts'
import { listHeads, lockHead, removeHead } from '../../db/queries/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { AutomationSpec, ManifestKind } from '../../schemas/manifests.ts'
import { allSteps } from '../../schemas/step-tree.ts'

const MAX_NAMED = 10

interface Named {
  organization: string
  kind: ManifestKind
  name: string
}

/** Gives the revision that was in use. */
export function removeManifest(database: Database, named: Named): Promise<number> {
  return inTransaction(database, async (tx) => {
    const { head } = await lockHead(tx, named)
    if (head === 0) throw new CodedError('NOT_FOUND', `There is no ${named.kind} ${named.name}.`)
    const heads = await listHeads(tx, named)
    const automations = heads.flatMap(({ body }) =>
      body.kind === 'Automation' && needs(body.spec, named) && !isItself(body.name, named)
        ? [`automation ${body.name}`]
        : [],
    )
    const { organization, name: connection } = named
    const writes =
      named.kind === 'Connection'
        ? await listWritesInTheWay(tx, { organization, connection, limit: MAX_NAMED + 1 })
        : []
    refuseIfNeeded(named, [...automations, ...writes.map((id) => `writeback ${id}`)])
    await removeHead(tx, named)
    return head
  })
}

function isItself(automation: string, { kind, name }: Named): boolean {
  return kind === 'Automation' && automation === name
}

function refuseIfNeeded({ kind, name }: Named, users: readonly string[]): void {
  if (users.length === 0) return
  const more = users.length > MAX_NAMED ? ' and more' : ''
  throw new CodedError(
    'STILL_USED',
    `${kind} ${name} is needed by ${users.slice(0, MAX_NAMED).join(', ')}${more}.`,
  )
}

function needs({ steps, triggers }: AutomationSpec, { kind, name }: Named): boolean {
  const all = allSteps('spec.steps', steps).map(({ step }) => step)
  if (kind === 'Automation')
    return all.some((step) => 'run_automation' in step && step.run_automation.automation === name)
  if (kind !== 'Connection') return false
  return (
    triggers.some((trigger) => 'connection' in trigger && trigger.connection === name) ||
    all.some((step) => 'tool_call' in step && step.tool_call.connection === name) ||
    all.some((step) => 'writeback' in step && step.writeback.connection === name)
  )
}
