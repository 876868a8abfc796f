/**
 * Applies manifests: everything is checked first, and all that is wrong is told at once, with nothing saved.
 *
 * One transaction, with one exception. Where an automation calls tools of a connection that is itself in the request,
 * connections and policies are saved first, because a worker reads the saved connection to ask its server for the
 * tools. If the tools then do not fit, the automations are not saved, and the connections stay: they were valid.
 */
import { listCandidates } from '../../db/queries/candidates.ts'
import { listHeads } from '../../db/queries/manifests.ts'
import { canonicalJson } from '../../lib/canonical-json.ts'
import { knownOf } from '../../manifests/check.ts'
import { ofKind, parseDocuments, place, type Document, type ManifestId } from '../../manifests/document.ts'
import type { Known } from '../../manifests/known.ts'
import { wantedBy, warningPlaces } from '../../manifests/warnings.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { ConnectionSpec, Manifest } from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import type { ApiDeps } from '../deps.ts'
import { PlacedError } from '../errors.ts'
import type { MoreFaults } from '../operations/implement.ts'
import { checkDocuments, checkTools } from './check.ts'
import { saveManifests, type Savable, type SaveContext, type SavedManifest } from './save.ts'
import { calledConnections, namesTools, pinsOf, warningsAbout, type ToolsByConnection } from './tools.ts'

const MAX_PLACES = 100
/** For a server that no automation of the request needs. */
const PATIENCE_MS = 5_000

export interface Applied {
  /** In the order of the request. */
  results: SavedManifest[]
  /** What was saved all the same. */
  warnings: ProblemPlace[]
}

/** Throws INVALID_MANIFEST with every place, REVISION_CONFLICT, or that a server is away. */
export async function applyManifests(
  deps: ApiDeps,
  context: SaveContext,
  values: readonly unknown[],
): Promise<Applied> {
  if (context.expectedRevision !== undefined && values.length !== 1) {
    throw new CodedError('INVALID_INPUT', 'expected_revision: goes with a single manifest only.')
  }
  const { organization } = context
  const { documents, stored, known, wrong } = await examine(deps, organization, values)
  const tools = await askable(deps, context.organization, { documents, stored, hasWrong: wrong.length > 0 })
  throwIfAny([...wrong, ...(await checkTools(documents, tools, organization))])
  const { saved, asked } = await saveAll(deps, context, { documents, tools })
  const order = documents.map(({ manifest }) => `${manifest.kind}/${manifest.name}`)
  const place = ({ kind, name }: SavedManifest) => order.indexOf(`${kind}/${name}`)
  const warnings = [
    ...(await warningsOf(deps, organization, documents, known)),
    ...warningsAbout(documents, asked),
  ]
  return { results: saved.toSorted((a, b) => place(a) - place(b)), warnings: warnings.slice(0, MAX_PLACES) }
}

async function warningsOf(
  { database }: ApiDeps,
  organization: string,
  documents: readonly Document[],
  known: Known,
): Promise<ProblemPlace[]> {
  const persons = await listCandidates(database, { organization, ...wantedBy(documents) })
  return warningPlaces(documents, known, persons)
}

/** What is wrong with them, as far as no server has to be asked. */
async function examine(deps: ApiDeps, organization: string, values: readonly unknown[]) {
  const { documents, halves, broken, places } = parseDocuments(values)
  const stored = await listHeads(deps.database, { organization })
  const known = whatIsKnown(stored, documents, broken)
  const wrong = [...places, ...(await checkDocuments([...documents, ...halves], known, organization))]
  return { documents, stored, known, wrong }
}

/** Of a request whose form is wrong, or whose JSON cannot be kept. */
export const moreManifestFaults: MoreFaults = async (deps, { body: { manifests }, principal }) =>
  Array.isArray(manifests) ? (await examine(deps, principal.organization, manifests)).wrong : []

async function saveAll(
  deps: ApiDeps,
  context: SaveContext,
  { documents, tools: known }: { documents: readonly Document[]; tools: ToolsByConnection },
): Promise<{ saved: SavedManifest[]; asked: ToolsByConnection }> {
  const automations = ofKind(documents, 'Automation')
  const others = documents
    .filter(({ manifest }) => manifest.kind !== 'Automation')
    .map(({ manifest }): Savable => ({ manifest, pins: {} }))
  const unasked = calledConnections(automations).filter((name) => !known.has(name))
  const first = unasked.length > 0 ? await saveManifests(deps.database, context, others) : []
  const tools = new Map([...known, ...(await inspectAll(deps, context.organization, unasked))])
  throwIfAny(await checkTools(documents, tools, context.organization))
  const pinned = automations.map(({ manifest }) => ({ manifest, pins: pinsOf(manifest.spec, tools) }))
  const rest = unasked.length > 0 ? pinned : [...others, ...pinned]
  const last = await saveManifests(deps.database, context, rest)
  return { saved: [...first, ...last], asked: tools }
}

/**
 * The tools of the servers that can be asked before anything is saved: a worker reads the saved connection, so those
 * that are new, or lead elsewhere now, cannot. One that is away hides nothing else that is wrong, and matters only to
 * the automations that call it.
 */
async function askable(
  deps: ApiDeps,
  organization: string,
  request: {
    documents: readonly Document[]
    stored: readonly { body: Manifest }[]
    hasWrong: boolean
  },
): Promise<ToolsByConnection> {
  const { documents, stored, hasWrong } = request
  const connections = ofKind(documents, 'Connection')
  const called = calledConnections(ofKind(documents, 'Automation'))
  const named = [...called, ...connections.filter(namesTools).map(({ manifest }) => manifest.name)]
  const asked = stored.flatMap(({ body }) => {
    if (body.kind !== 'Connection' || body.spec.type !== 'mcp' || !named.includes(body.name)) return []
    const now = connections.find(({ manifest }) => manifest.name === body.name)?.manifest.spec ?? body.spec
    return leadsTo(now) === leadsTo(body.spec) ? [body.name] : []
  })
  const found = await allOf(
    asked.map((name) =>
      called.includes(name) && !hasWrong
        ? inspectAll(deps, organization, [name])
        : soon(inspectAll(deps, organization, [name])),
    ),
  )
  return new Map(found.flatMap((tools) => [...tools]))
}

/** Nothing, if the server does not answer at once. */
async function soon(asking: Promise<ToolsByConnection>): Promise<ToolsByConnection> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<ToolsByConnection>((resolve) => {
    timer = setTimeout(() => resolve(new Map()), PATIENCE_MS)
  })
  const answered = asking.catch((error: unknown) => {
    if (error instanceof CodedError) return new Map<string, never>()
    throw error
  })
  return Promise.race([answered, late]).finally(() => clearTimeout(timer))
}

/** All that decides which server answers. */
function leadsTo(spec: ConnectionSpec): string {
  return canonicalJson({ ...spec, tools: {}, trusted: false, timeout: '' })
}

async function inspectAll(
  deps: ApiDeps,
  organization: string,
  connections: readonly string[],
): Promise<ToolsByConnection> {
  return new Map(
    await allOf(
      connections.map(async (name) => [name, await deps.inspectTools(organization, name)] as const),
    ),
  )
}

/** All of them; or all that went wrong, which is waited for together. */
async function allOf<Value>(asking: readonly Promise<Value>[]): Promise<Value[]> {
  const asked = await Promise.allSettled(asking)
  const failed = asked.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
  if (failed.length > 0) throw togetherOf(failed)
  return asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}

/** What is wrong with all of them, under the code of the first: one that is told alone hides the others. */
function togetherOf(errors: readonly unknown[]): unknown {
  const [first] = errors
  if (errors.length === 1 || !(first instanceof CodedError)) return first
  const texts = errors.map((error) =>
    error instanceof CodedError ? `${error.code}: ${error.message}` : 'it could not be asked',
  )
  return new CodedError(first.code, texts.join('; '), { cause: first })
}

/** Stored connections and automations, with those of the request over them. */
function whatIsKnown(
  stored: readonly { body: Manifest }[],
  documents: readonly Document[],
  broken: readonly ManifestId[],
): Known {
  const manifests = [...stored.map(({ body }) => body), ...documents.map(({ manifest }) => manifest)]
  return knownOf(manifests, false, broken)
}

function throwIfAny(places: readonly ProblemPlace[]): void {
  const rest = places.slice(MAX_PLACES)
  const more = rest.length === 0 ? [] : [place('limit', 'manifests', `${rest.length} more places are wrong`)]
  if (places.length > 0) throw new PlacedError('INVALID_MANIFEST', [...places.slice(0, MAX_PLACES), ...more])
}
