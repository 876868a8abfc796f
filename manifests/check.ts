/**
 * Manifests against themselves and each other: everything that can be checked without asking a server, all of it at
 * once. The API asks here before it saves, and so does `countersign validate`, which has no API.
 */
import type { AutomationSpec, ConnectionSpec, Manifest, ManifestKind } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { automationPlaces } from './automations.ts'
import { codePlaces } from './code.ts'
import { connectionPlaces } from './connections.ts'
import {
  ofKind,
  type Document,
  type HalfDocument,
  type ManifestId,
  type ParsedDocuments,
} from './document.ts'
import { saidOf } from './halves.ts'
import { idText, type Known } from './known.ts'
import { policyPlaces } from './policies.ts'

/** All that is wrong with what was parsed. */
export async function parsedPlaces(parsed: ParsedDocuments, known: Known): Promise<ProblemPlace[]> {
  return [...parsed.places, ...(await documentPlaces([...parsed.documents, ...parsed.halves], known))]
}

export async function documentPlaces(
  documents: readonly AnyDocument[],
  known: Known,
): Promise<ProblemPlace[]> {
  return [...plainPlaces(documents, known), ...(await sourcePlaces(documents))]
}

type AnyDocument = Document | HalfDocument

/** All but the sources of code. What constant expressions and schemas take of time is up to whoever wrote them. */
export function plainPlaces(documents: readonly AnyDocument[], known: Known): ProblemPlace[] {
  return inOrder(documents).flatMap((document) => {
    const one = [document]
    const places = [
      ...ofKind(one, 'Automation').flatMap((each) => automationPlaces(each, known)),
      ...ofKind(one, 'Policy').flatMap(policyPlaces),
      ...ofKind(one, 'Connection').flatMap(connectionPlaces),
    ]
    return saidOfDocument(document, places)
  })
}

/** Automations first: most of what is wrong is there. */
function inOrder(documents: readonly AnyDocument[]): readonly AnyDocument[] {
  const order: readonly ManifestKind[] = ['Automation', 'Policy', 'Connection']
  return documents.toSorted((a, b) => order.indexOf(a.manifest.kind) - order.indexOf(b.manifest.kind))
}

export async function sourcePlaces(
  documents: readonly AnyDocument[],
  organization?: string,
): Promise<ProblemPlace[]> {
  const found = await Promise.all(
    documents.map(async (document) => {
      const places = ofKind([document], 'Automation').map((each) => codePlaces(each, organization))
      return saidOfDocument(document, (await Promise.all(places)).flat())
    }),
  )
  return found.flat()
}

function saidOfDocument(document: AnyDocument, places: readonly ProblemPlace[]): readonly ProblemPlace[] {
  return 'leftOut' in document ? saidOf(document, places) : places
}

/** Of manifests with one name the last counts. `broken` are there, and of a form that says nothing about them. */
export function knownOf(
  manifests: readonly Manifest[],
  mayBeMore: boolean,
  broken: readonly ManifestId[] = [],
): Known {
  const connections = new Map<string, ConnectionSpec>()
  const automations = new Map<string, AutomationSpec>()
  for (const manifest of manifests) {
    if (manifest.kind === 'Connection') connections.set(manifest.name, manifest.spec)
    if (manifest.kind === 'Automation') automations.set(manifest.name, manifest.spec)
  }
  for (const { kind, name } of broken) {
    if (kind === 'Connection') connections.delete(name)
    if (kind === 'Automation') automations.delete(name)
  }
  return { connections, automations, broken: new Set(broken.map(idText)), mayBeMore }
}
