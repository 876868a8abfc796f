/** What is wrong with manifests and needs no server to be seen, each with its place in its file. */
import type { ProblemPlace } from '../schemas/problem.ts'
import type { Flaw } from './file-text.ts'
import { inItsFile, type ReadSources } from './files.ts'

export interface Fault extends ProblemPlace {
  /** Where in the file, such as `late-fee.yaml:12:5`. */
  place: string
}

export interface Faults {
  errors: Fault[]
  /** What only a server can say. */
  unchecked: string[]
}

/** A number that cannot be kept, and a name that stands twice, hide nothing else of their file. */
export async function faultsOf({ sources, flaws }: ReadSources): Promise<Faults> {
  const [{ knownOf, parsedPlaces }, { parseDocuments }, { uncheckedOf }] = await Promise.all([
    import('../manifests/check.ts'),
    import('../manifests/document.ts'),
    import('../manifests/unchecked.ts'),
  ])
  const parsed = parseDocuments(sources.map(({ manifest }) => manifest))
  const known = knownOf(
    parsed.documents.map(({ manifest }) => manifest),
    true,
    parsed.broken,
  )
  const wrong = await parsedPlaces(parsed, known)
  const malformed = flaws.map((flaw): Fault => ({ ...flaw, path: '', rule: 'yaml' }))
  return {
    errors: [...malformed, ...wrong.map((place) => ({ place: '', ...place, ...inItsFile(place, sources) }))],
    unchecked: uncheckedOf(parsed.documents, known),
  }
}

/** With its hint beside it, for hints of flaws stand together at the end. */
export function asFlaw({ place, path, message, hint }: Fault): Flaw {
  if (path === '') return { place, message, hint }
  const sentence = message.endsWith('.') ? message : `${message}.`
  return { place, message: `${path} ${sentence}${hint === undefined ? '' : ` ${hint}`}` }
}
