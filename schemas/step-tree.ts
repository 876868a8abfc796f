/** Steps inside steps: one way to walk them, for everything that has to look at all of them or to find one. Pure. */
import { MAX_ITEMS } from '../lib/limits.ts'
import type { StepManifest } from './steps.ts'

/** A list of steps inside a step. */
export interface Block {
  /** Its place in the step, such as `choose.branches[0].steps`. */
  at: string
  /** What stands for it in the paths of its steps: `[0]`, `.otherwise`, `.billing`; any item's of a loop is `[]`. */
  key: string
  /** Its steps run once per item, with `item` and `index`. */
  isLoop: boolean
  steps: StepManifest[]
}

export function blocksOf(step: StepManifest): Block[] {
  if ('choose' in step) {
    const { branches, otherwise } = step.choose
    const chosen = branches.map(({ steps }, index) => ({
      at: `choose.branches[${index}].steps`,
      key: `[${index}]`,
      isLoop: false,
      steps,
    }))
    if (otherwise === undefined) return chosen
    return [...chosen, { at: 'choose.otherwise', key: '.otherwise', isLoop: false, steps: otherwise }]
  }
  if ('for_each' in step) {
    return [{ at: 'for_each.steps', key: '[]', isLoop: true, steps: step.for_each.steps }]
  }
  if (!('parallel' in step)) return []
  return Object.entries(step.parallel.branches).map(([name, steps]) => ({
    at: `parallel.branches.${name}`,
    key: `.${name}`,
    isLoop: false,
    steps,
  }))
}

export interface PlacedStep {
  /** In the document, such as `spec.steps[2].for_each.steps[0]`. */
  at: string
  step: StepManifest
}

/** All steps, the inner ones after the step they stand in. `at` is the place of the list. */
export function allSteps(at: string, steps: readonly StepManifest[]): PlacedStep[] {
  return steps.flatMap((step, index) => {
    const place = `${at}[${index}]`
    const inside = blocksOf(step).flatMap((block) => allSteps(`${place}.${block.at}`, block.steps))
    return [{ at: place, step }, ...inside]
  })
}

const SEGMENT = /^([a-z][a-z0-9_]*)(\[(?:0|[1-9]\d{0,3})\]|\.[a-z][a-z0-9_]*)?(?:\.|$)/

/** The step that a run reaches under this path; undefined if no run could. */
export function findStep(steps: readonly StepManifest[], path: string): StepManifest | undefined {
  const whole = steps.find((candidate) => candidate.name === path)
  if (whole) return whole
  const [matched, name, key] = SEGMENT.exec(path) ?? []
  if (matched === undefined || key === undefined) return undefined
  const outer = steps.find((candidate) => candidate.name === name)
  if (!outer) return undefined
  const block = blocksOf(outer).find((candidate) => covers(candidate, key))
  return block && findStep(block.steps, path.slice(matched.length))
}

function covers(block: Block, key: string): boolean {
  if (!block.isLoop) return block.key === key
  return key.startsWith('[') && Number(key.slice(1, -1)) < MAX_ITEMS
}
