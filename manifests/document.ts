/** What is applied, and the places in it that are wrong. */
import { ManifestSchema, type Manifest, type ManifestKind } from '../schemas/manifests.ts'
import type { JsonValue } from '../lib/json.ts'
import { jsonBytes, LIMITS, readableBytes } from '../lib/limits.ts'
import { nearestName } from '../lib/nearest-name.ts'
import { unstorableTexts } from '../lib/storable.ts'
import { placesOf } from '../lib/zod-places.ts'
import type { ProblemPlace } from '../schemas/problem.ts'

/** A manifest of the request, with its place in it, such as `manifests[2]`. */
export interface Document<Kind extends ManifestKind = ManifestKind> {
  path: string
  manifest: Extract<Manifest, { kind: Kind }>
}

export interface ParsedDocuments {
  documents: Document[]
  places: ProblemPlace[]
}

export function parseDocuments(values: readonly unknown[]): ParsedDocuments {
  const documents: Document[] = []
  const places: ProblemPlace[] = []
  for (const [index, value] of values.entries()) {
    const path = `manifests[${index}]`
    const parsed = ManifestSchema.safeParse(value)
    const bytes = jsonBytes(value as JsonValue)
    if (bytes > LIMITS.manifestBytes) {
      const sizes = `${readableBytes(bytes)}, at most ${readableBytes(LIMITS.manifestBytes)}`
      places.push(place(path, `the manifest is too large: ${sizes}`))
    } else if (parsed.success) documents.push({ path, manifest: parsed.data })
    else places.push(...placesOf(path, parsed.error.issues))
    places.push(...unstorableTexts(value as JsonValue, path))
  }
  return { documents, places: [...places, ...doubleNames(documents)] }
}

export function ofKind<Kind extends ManifestKind>(
  documents: readonly Document[],
  kind: Kind,
): Document<Kind>[] {
  return documents.flatMap(({ path, manifest }) => (isOfKind(manifest, kind) ? [{ path, manifest }] : []))
}

function isOfKind<Kind extends ManifestKind>(
  manifest: Manifest,
  kind: Kind,
): manifest is Extract<Manifest, { kind: Kind }> {
  return manifest.kind === kind
}

export function place(path: string, message: string, hint?: string): ProblemPlace {
  return hint === undefined ? { path, message } : { path, message, hint }
}

/** A place with the name that was probably meant. */
export function unknownName(
  path: string,
  message: string,
  name: string,
  names: readonly string[],
): ProblemPlace {
  const nearest = nearestName(name, names)
  if (nearest !== undefined) return place(path, message, `Did you mean \`${nearest}\`?`)
  const known = names.slice(0, 20).join(', ')
  return place(path, message, known === '' ? undefined : `There are: ${known}.`)
}

function doubleNames(documents: readonly Document[]): ProblemPlace[] {
  const seen = new Map<string, string>()
  return documents.flatMap(({ path, manifest }) => {
    const id = `${manifest.kind} ${manifest.name}`
    const first = seen.get(id)
    if (first !== undefined)
      return [place(`${path}.name`, `${id} is in this request twice, first at ${first}`)]
    seen.set(id, path)
    return []
  })
}
