/** What is applied, and the places in it that are wrong. */
import { z } from 'zod'
import { NameSchema } from '../schemas/common.ts'
import { MANIFEST_KINDS, ManifestSchema, type Manifest, type ManifestKind } from '../schemas/manifests.ts'
import type { JsonValue } from '../lib/json.ts'
import { LIMITS, sizeOf, tooLarge } from '../lib/limits.ts'
import { nearestName } from '../lib/nearest-name.ts'
import { unstorableTexts } from '../lib/storable.ts'
import { placesOf } from '../lib/zod-places.ts'
import { sentenceOf } from '../lib/zod-sentences.ts'
import type { PlaceRule, ProblemPlace } from '../schemas/problem.ts'
import { keyElsewhere, typeElsewhere } from './elsewhere.ts'
import { halfOf, type LeftOut } from './halves.ts'

/** A manifest of the request, with its place in it, such as `manifests[2]`. */
export interface Document<Kind extends ManifestKind = ManifestKind> {
  path: string
  manifest: Extract<Manifest, { kind: Kind }>
}

/** What can be read of a manifest whose form is wrong: enough to tell what else is. It is never saved. */
export type HalfDocument = Document & LeftOut

export interface ParsedDocuments {
  documents: Document[]
  halves: HalfDocument[]
  /** Of what has a name, and is of a form that is wrong. */
  broken: ManifestId[]
  places: ProblemPlace[]
}

export interface ManifestId {
  kind: ManifestKind
  name: string
}

const ELSEWHERE = { key: keyElsewhere, word: typeElsewhere }
const MAX_MANIFEST_SIZE = { bytes: LIMITS.manifestBytes, parts: LIMITS.valueParts }

/** Where there is nothing more to say of the place itself. */
export const RULE_HINTS: { [rule in PlaceRule]?: string } = {
  'json-schema': 'Write a JSON Schema, such as `{ type: object, properties: { … } }`.',
  limit: 'Make it smaller; `run_automation` runs a part by itself.',
  expression: 'Expressions are CEL: docs/reference/expressions.md lists what they can do.',
  'unknown-reference': 'Name what is there by then.',
  'wrong-kind': 'Write what this place takes.',
  argument: 'Look at the schema of what takes it.',
  'duplicate-name': 'Rename one of the two.',
  'reserved-code': 'Choose a code of your own, such as OVER_BUDGET.',
  'incomplete-write': 'Name every column of the primary key under `key`, and what to write under `set`.',
}

export function parseDocuments(values: readonly unknown[]): ParsedDocuments {
  const documents: Document[] = []
  const halves: HalfDocument[] = []
  const broken: ManifestId[] = []
  const places: ProblemPlace[] = []
  for (const [index, value] of values.entries()) {
    const path = `manifests[${index}]`
    const problem = tooLarge('the manifest is too large', sizeOf(value as JsonValue), MAX_MANIFEST_SIZE)
    if (problem !== null) {
      places.push(place('limit', path, problem))
      continue
    }
    const parsed = ManifestSchema.safeParse(value, { error: sentenceOf })
    if (parsed.success) documents.push({ path, manifest: parsed.data })
    else {
      places.push(
        ...placesOf(path, parsed.error.issues, { schema: ManifestSchema, value, elsewhere: ELSEWHERE }),
      )
      halves.push(...halfOf(value, path))
      broken.push(...idOf(value))
    }
    places.push(...unstorableTexts(value as JsonValue, path))
  }
  return { documents, halves, broken, places: [...places, ...doubleNames(documents)] }
}

const IdSchema = z.object({ kind: z.enum(MANIFEST_KINDS), name: NameSchema })

function idOf(value: unknown): ManifestId[] {
  const parsed = IdSchema.safeParse(value)
  return parsed.success ? [parsed.data] : []
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

export function place(
  rule: PlaceRule,
  path: string,
  message: string,
  hint: string | undefined = RULE_HINTS[rule],
): ProblemPlace {
  return hint === undefined ? { path, rule, message } : { path, rule, message, hint }
}

/** A place with the name that was probably meant. */
export function unknownName(
  path: string,
  message: string,
  name: string,
  names: readonly string[],
): ProblemPlace {
  const nearest = nearestName(name, names)
  if (nearest !== undefined) return place('unknown-reference', path, message, `Did you mean \`${nearest}\`?`)
  const known = names.slice(0, 20).join(', ')
  return place('unknown-reference', path, message, known === '' ? undefined : `There are: ${known}.`)
}

function doubleNames(documents: readonly Document[]): ProblemPlace[] {
  const seen = new Map<string, string>()
  return documents.flatMap(({ path, manifest }) => {
    const id = `${manifest.kind} ${manifest.name}`
    const first = seen.get(id)
    if (first !== undefined)
      return [place('duplicate-name', `${path}.name`, `${id} is in this request twice, first at ${first}`)]
    seen.set(id, path)
    return []
  })
}
