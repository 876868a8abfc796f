/**
 * Applies manifests: everything is checked first, and all that is wrong is told at once, with nothing saved.
 *
 * One transaction, with one exception. Where an automation calls tools of a connection that is itself in the request,
 * connections and policies are saved first, because a worker reads the saved connection to ask its server for the
 * tools. If the tools then do not fit, the automations are not saved, and the connections stay: they were valid.
 */
import { listHeads } from '../../db/queries/manifests.ts'
import { documentPlaces, knownOf } from '../../manifests/check.ts'
import { ofKind, parseDocuments, type Document } from '../../manifests/document.ts'
import type { Known } from '../../manifests/known.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { ApiDeps } from '../deps.ts'
import { PlacedError } from '../errors.ts'
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
  const known = await whatIsKnown(deps, context.organization, documents)
  throwIfAny([...places, ...(await documentPlaces(documents, known))])
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

/** Stored connections and automations, with those of the request over them. */
async function whatIsKnown(
  { database }: ApiDeps,
  organization: string,
  documents: readonly Document[],
): Promise<Known> {
  const rows = await listHeads(database, { organization })
  return knownOf([...rows.map(({ body }) => body), ...documents.map(({ manifest }) => manifest)], false)
}

function throwIfAny(places: readonly ProblemPlace[]): void {
  if (places.length > 0) throw new PlacedError('INVALID_MANIFEST', places.slice(0, MAX_PLACES))
}
