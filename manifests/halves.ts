/**
 * A manifest whose form is wrong without what is wrong in it, so that names and expressions are told together with the
 * form. What cannot be used is left out, as little of it as will do: a field, else the step, trigger or rule around it.
 */
import { pathText } from '../lib/path-text.ts'
import { leavesOf, type Leaf } from '../lib/zod-places.ts'
import { sentenceOf } from '../lib/zod-sentences.ts'
import { StepNameSchema } from '../schemas/common.ts'
import { ManifestSchema, type Manifest } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'

/** Of a manifest that stands for one that is wrong. */
export interface LeftOut {
  /** Places of which nothing more is said. */
  leftOut: readonly string[]
  /** Whether a name was left out that others may refer to. */
  lacksNames: boolean
}

interface Half extends LeftOut {
  path: string
  manifest: Manifest
}

type Path = readonly PropertyKey[]

/** The first leaves out fields, the others what is around them; what is left then is of no use. */
const ROUNDS = 5
const STEP_LISTS = new Set<PropertyKey | undefined>(['steps', 'otherwise'])
const STAND_IN = 'left-out'
/** In the place of what a manifest cannot do without. */
const REQUIRED: Readonly<Record<string, unknown>> = {
  url: 'https://left-out.invalid/',
  command: STAND_IN,
  tables: {},
  steps: [standInStep(undefined)],
  rules: [{ name: STAND_IN, allow: true }],
}

/** Empty if it is not even clear what it is. */
export function halfOf(value: unknown, path: string): Half[] {
  const draft = structuredClone(value)
  const half = { leftOut: [] as string[], lacksNames: false }
  for (let round = 0; round < ROUNDS; round++) {
    const parsed = ManifestSchema.safeParse(draft, { error: sentenceOf })
    if (parsed.success) return [{ path, manifest: parsed.data, ...half }]
    for (const leaf of leavesOf(parsed.error.issues)) {
      const gone = (round === 0 && leaveOutField(draft, leaf)) || leaveOutAround(draft, leaf.path)
      if (gone === undefined) return []
      half.leftOut.push(...gone.map((one) => pathText(path, one)))
      half.lacksNames ||= leaf.path.length > 1 && leaf.path.at(-1) === 'name'
    }
  }
  return []
}

export function saidOf({ leftOut, lacksNames }: LeftOut, places: readonly ProblemPlace[]): ProblemPlace[] {
  return places.filter(({ path, rule }) => {
    if (lacksNames && rule === 'unknown-reference') return false
    return !leftOut.some((gone) => path.startsWith(gone) && /^($|[.[])/.test(path.slice(gone.length)))
  })
}

/** Fields that are not known, or one that is there and may be absent; what follows from its absence the next round tells. */
function leaveOutField(draft: unknown, { path, issue, oneOf }: Leaf): Path[] | undefined {
  if (oneOf) return undefined
  const gone = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path]
  const isField = gone.every((one) => one.length > 2 && typeof one.at(-1) === 'string')
  if (!isField && issue.code !== 'unrecognized_keys') return undefined
  const removed = gone.filter((one) => remove(draft, one))
  return removed.length > 0 ? gone : undefined
}

function leaveOutAround(draft: unknown, path: Path): Path[] | undefined {
  const at = innermostElement(path) ?? path.slice(0, 2)
  const [first, field] = path
  const index = at.at(-1)
  if (first === 'version') return remove(draft, ['version']) ? [['version']] : undefined
  if (first === 'name') return put(draft, ['name'], STAND_IN) ? [['name']] : undefined
  if (first !== 'spec' || field === undefined) return undefined
  const standIn = typeof index === 'number' ? standInOf(draft, at, index) : REQUIRED[String(field)]
  const isDone = standIn === undefined ? remove(draft, at) : put(draft, at, standIn)
  return isDone ? [at] : undefined
}

/** The nearest step, trigger or rule that the path leads into. */
function innermostElement(path: Path): Path | undefined {
  for (let length = path.length; length > 2; length--) {
    if (typeof path[length - 1] !== 'number') continue
    const isStep = STEP_LISTS.has(path[length - 2]) || path[length - 3] === 'branches'
    const isEntry = length === 3 && (path[1] === 'triggers' || path[1] === 'rules')
    if (isStep || isEntry) return path.slice(0, length)
  }
  return undefined
}

function standInOf(draft: unknown, at: Path, index: number): unknown {
  const name = valueAt(draft, [...at, 'name'])
  if (at[1] === 'rules') return { name: `${STAND_IN}-${index}`, allow: true }
  if (at[1] === 'triggers') return { type: 'event', connection: STAND_IN, event: STAND_IN }
  return standInStep(StepNameSchema.safeParse(name).success ? name : `left_out_${index}`)
}

/** Of a kind whose output may be anything. */
function standInStep(name: unknown = 'left_out'): object {
  return { name, tool_call: { connection: STAND_IN, tool: STAND_IN } }
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )
}

function parentOf(draft: unknown, path: Path): object | undefined {
  const parent = valueAt(draft, path.slice(0, -1))
  return typeof parent === 'object' && parent !== null ? parent : undefined
}

/** False if there is nothing to remove. */
function remove(draft: unknown, path: Path): boolean {
  const parent = parentOf(draft, path)
  const key = path.at(-1)
  if (parent === undefined || key === undefined || !Object.hasOwn(parent, key)) return false
  return Reflect.deleteProperty(parent, key)
}

function put(draft: unknown, path: Path, value: unknown): boolean {
  const parent = parentOf(draft, path)
  const key = path.at(-1)
  return parent !== undefined && key !== undefined && Reflect.set(parent, key, value)
}
