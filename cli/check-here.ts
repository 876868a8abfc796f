/** What can be seen of manifests without a server, each with its place in its file. */
import type { ParsedDocuments } from '../manifests/document.ts'
import type { Known } from '../manifests/known.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { inItsFile, type ManifestSource } from './files.ts'

export interface Finding extends ProblemPlace {
  /** Where in the file, such as `late-fee.yaml:12:5`. */
  place: string
}

export interface CheckedHere {
  parsed: ParsedDocuments
  /** What these files have; a server may have more. */
  known: Known
  wrong: Finding[]
}

export async function checkHere(sources: readonly ManifestSource[]): Promise<CheckedHere> {
  const [{ knownOf, parsedPlaces }, { parseDocuments }] = await Promise.all([
    import('../manifests/check.ts'),
    import('../manifests/document.ts'),
  ])
  const parsed = parseDocuments(sources.map(({ manifest }) => manifest))
  const manifests = parsed.documents.map(({ manifest }) => manifest)
  const known = knownOf(manifests, true, parsed.broken)
  const places = await parsedPlaces(parsed, known)
  const wrong = places.map((place) => ({ place: '', ...place, ...inItsFile(place, sources) }))
  return { parsed, known, wrong }
}
