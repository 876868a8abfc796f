/**
 * Manifests against themselves and each other: everything that can be checked without asking a server, all of it at
 * once. The API asks here before it saves, and so does `countersign validate`, which has no API.
 */
import type { AutomationSpec, ConnectionSpec, Manifest } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { automationPlaces } from './automations.ts'
import { codePlaces } from './code.ts'
import { connectionPlaces } from './connections.ts'
import { ofKind, type Document } from './document.ts'
import type { Known } from './known.ts'
import { policyPlaces } from './policies.ts'

export async function documentPlaces(documents: readonly Document[], known: Known): Promise<ProblemPlace[]> {
  return [...plainPlaces(documents, known), ...(await sourcePlaces(documents))]
}

/** All but the sources of code. What constant expressions and schemas take of time is up to whoever wrote them. */
export function plainPlaces(documents: readonly Document[], known: Known): ProblemPlace[] {
  return [
    ...ofKind(documents, 'Automation').flatMap((document) => automationPlaces(document, known)),
    ...ofKind(documents, 'Policy').flatMap(policyPlaces),
    ...ofKind(documents, 'Connection').flatMap(connectionPlaces),
  ]
}

export async function sourcePlaces(
  documents: readonly Document[],
  organization?: string,
): Promise<ProblemPlace[]> {
  const automations = ofKind(documents, 'Automation')
  return (await Promise.all(automations.map((document) => codePlaces(document, organization)))).flat()
}

/** Of manifests with one name the last counts. */
export function knownOf(manifests: readonly Manifest[], mayBeMore: boolean): Known {
  const connections = new Map<string, ConnectionSpec>()
  const automations = new Map<string, AutomationSpec>()
  for (const manifest of manifests) {
    if (manifest.kind === 'Connection') connections.set(manifest.name, manifest.spec)
    if (manifest.kind === 'Automation') automations.set(manifest.name, manifest.spec)
  }
  return { connections, automations, mayBeMore }
}
