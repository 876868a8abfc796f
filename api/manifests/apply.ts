/**
 * Applies manifests: everything is checked first, and all that is wrong is told at once, with nothing saved.
 *
 * One transaction, with one exception. Where an automation calls tools of a connection that is itself in the request,
 * connections and policies are saved first, because a worker reads the saved connection to ask its server for the
 * tools. If the tools then do not fit, the automations are not saved, and the connections stay: they were valid.
 */
import { listHeads } from '../../db/queries/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { ConnectionSpec } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { ApiDeps } from '../deps.ts'
import { PlacedError } from '../errors.ts'
import { automationPlaces, type Connections } from './automations.ts'
import { ofKind, parseDocuments, place, type Document } from './document.ts'
import { connectionPlaces } from './connections.ts'
import { expressionPlaces, POLICY_SCOPE } from './expressions.ts'
import { saveManifests, type Savable, type SaveContext, type SavedManifest } from './save.ts'
import { calledConnections, inspectAutomation, type ToolsByConnection } from './tools.ts'

const MAX_PLACES = 100

/** In the order of the request. Throws INVALID_MANIFEST with every place, REVISION_CONFLICT, or that a server is away. */
export async function applyManifests(
  deps: ApiDeps,
  context: SaveContext,
  values: readonly unknown[],
): Promise<SavedManifest[]> {
  if (context.expectedRevision !== undefined && values.length !== 1) {
    throw new CodedError('INVALID_INPUT', 'expected_revision: goes with a single manifest only.')
  }
  const { documents, places } = parseDocuments(values)
  const connections = await knownConnections(deps, context.organization, documents)
  throwIfAny([
    ...places,
    ...ofKind(documents, 'Automation').flatMap((document) => automationPlaces(document, connections)),
    ...ofKind(documents, 'Policy').flatMap(policyPlaces),
    ...ofKind(documents, 'Connection').flatMap(connectionPlaces),
  ])
  const saved = await saveAll(deps, context, documents)
  const order = documents.map(({ manifest }) => `${manifest.kind}/${manifest.name}`)
  return saved.toSorted((a, b) => order.indexOf(`${a.kind}/${a.name}`) - order.indexOf(`${b.kind}/${b.name}`))
}

async function saveAll(
  deps: ApiDeps,
  context: SaveContext,
  documents: readonly Document[],
): Promise<SavedManifest[]> {
  const automations = ofKind(documents, 'Automation')
  const others = documents
    .filter(({ manifest }) => manifest.kind !== 'Automation')
    .map(({ manifest }): Savable => ({ manifest, pins: {} }))
  const called = calledConnections(automations)
  const needsConnectionsFirst = others.some(
    ({ manifest }) => manifest.kind === 'Connection' && called.includes(manifest.name),
  )
  const first = needsConnectionsFirst ? await saveManifests(deps.database, context, others) : []
  const pinned = pinTools(automations, await inspectAll(deps, context.organization, called))
  const rest = needsConnectionsFirst ? pinned : [...others, ...pinned]
  return [...first, ...(await saveManifests(deps.database, context, rest))]
}

function pinTools(automations: readonly Document<'Automation'>[], tools: ToolsByConnection): Savable[] {
  const inspected = automations.map((document) => ({ document, ...inspectAutomation(document, tools) }))
  throwIfAny(inspected.flatMap(({ places }) => places))
  return inspected.map(({ document, pins }) => ({ manifest: document.manifest, pins }))
}

async function inspectAll(
  deps: ApiDeps,
  organization: string,
  connections: readonly string[],
): Promise<ToolsByConnection> {
  const inspected = await Promise.all(
    connections.map(async (name) => [name, await deps.inspectTools(organization, name)] as const),
  )
  return new Map(inspected)
}

async function knownConnections(
  { database }: ApiDeps,
  organization: string,
  documents: readonly Document[],
): Promise<Connections> {
  const rows = await listHeads(database, { organization, kind: 'Connection' })
  const specs = new Map<string, ConnectionSpec>()
  for (const { body } of rows) if (body.kind === 'Connection') specs.set(body.name, body.spec)
  for (const { manifest } of ofKind(documents, 'Connection')) specs.set(manifest.name, manifest.spec)
  return specs
}

function policyPlaces({ path, manifest }: Document<'Policy'>): ProblemPlace[] {
  const { rules } = manifest.spec
  const names = rules.map((rule) => rule.name)
  return rules.flatMap(({ name, match }, index) => {
    const at = `${path}.spec.rules[${index}]`
    return [
      ...(names.indexOf(name) === index ? [] : [place(`${at}.name`, `there is a rule \`${name}\` already`)]),
      ...(match.when === undefined ? [] : expressionPlaces(`${at}.match.when`, match.when, POLICY_SCOPE)),
    ]
  })
}

function throwIfAny(places: readonly ProblemPlace[]): void {
  if (places.length > 0) throw new PlacedError('INVALID_MANIFEST', places.slice(0, MAX_PLACES))
}
