/** What a run is started with: it fits the automation's schema, the database can keep it, and it names people we know. */
import type { Queryable } from '../../db/database.ts'
import { findHead } from '../../db/queries/manifests.ts'
import { loadPrincipals } from '../../db/queries/principals.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { inputPlaces } from '../../lib/run-input.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { PlacedError } from '../errors.ts'
import type { MoreFaults } from '../operations/implement.ts'

const MAX_PLACES = 50

/** Throws INVALID_INPUT with every place that does not fit, and SCHEMA_TOO_COSTLY. */
export async function checkInput(
  spec: AutomationSpec,
  input: JsonValue,
  organization: string,
): Promise<void> {
  throwIfAny(await inputPlaces(spec.input as JsonObject | undefined, input, organization))
}

export interface AskedStart {
  organization: string
  input: JsonValue
  /** What is no text is left out: the form of the request has said so. */
  onBehalfOf: readonly unknown[]
}

/** Throws NOT_FOUND. */
export async function findAutomation(
  database: Queryable,
  { organization, automation }: { organization: string; automation: string },
): Promise<{ spec: AutomationSpec; revision: number }> {
  const head = await findHead(database, { organization, kind: 'Automation', name: automation })
  if (head?.body.kind === 'Automation') return { spec: head.body.spec, revision: head.number }
  throw new CodedError('NOT_FOUND', `There is no automation ${automation}.`)
}

/** All places of a start that do not fit. Throws SCHEMA_TOO_COSTLY. */
export async function startPlaces(
  database: Queryable,
  spec: AutomationSpec,
  { organization, input, onBehalfOf }: AskedStart,
): Promise<ProblemPlace[]> {
  return [
    ...(await inputPlaces(spec.input as JsonObject | undefined, input, organization)),
    ...(await onBehalfOfPlaces(database, organization, onBehalfOf)),
  ]
}

/** Of a request whose form is wrong, or whose JSON cannot be kept. */
export const moreStartFaults: MoreFaults = async ({ database }, { params, body, principal }) => {
  const { organization } = principal
  const { spec } = await findAutomation(database, { organization, automation: params['name'] ?? '' })
  const { input = {}, on_behalf_of: named } = body
  return startPlaces(database, spec, {
    organization,
    input: input as JsonValue,
    onBehalfOf: Array.isArray(named) ? named : [],
  })
}

/** Whom nobody knows here, or who was disabled: they might be spelled otherwise as approvers. */
async function onBehalfOfPlaces(
  database: Queryable,
  organization: string,
  onBehalfOf: readonly unknown[],
): Promise<ProblemPlace[]> {
  const ids = onBehalfOf.filter((id) => typeof id === 'string')
  if (ids.length === 0) return []
  const known = new Set((await loadPrincipals(database, { organization, ids })).map(({ id }) => id))
  return onBehalfOf.flatMap((id, index) => {
    if (typeof id !== 'string' || known.has(id)) return []
    const message = `${id} is nobody who is known here, or was disabled`
    return [{ path: `on_behalf_of[${index}]`, rule: 'unknown-reference' as const, message }]
  })
}

/** Throws INVALID_INPUT. */
export function throwIfAny(places: readonly ProblemPlace[]): void {
  if (places.length > 0) throw new PlacedError('INVALID_INPUT', places.slice(0, MAX_PLACES))
}
