/** Lives a history with the product, and asks the model whether what is left is so. A difference is made small. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Action, Answer, History } from './actions.ts'
import { untruths } from './forgotten.ts'
import { differences, isFinal, type Observed, type Step } from './model.ts'
import { describeOpen, observe } from './observe.ts'
import { act, begin, type Subject } from './perform.ts'
import type { Scene } from './scene.ts'

/** To be set to true when a decision is only recorded if it counts, whatever becomes of the worker that records it. */
export const RECORDS_IN_ORDER = false

export const RECONCILED = { reconciles: true }

/** Lost workers, calls whose answer does not come, and a machine with other things to do: all of it is over by then. */
const SETTLING_PATIENCE_MS = 240_000
/** An untruth does not go away. */
const UNTRUE_PATIENCE_MS = 20_000
const SHRINKING_PATIENCE_MS = 240_000
const SETTLING_INTERVAL_MS = 400

export interface Lived {
  subject: Subject
  steps: Step[]
  observed: Observed
  differences: string[]
  /** What Temporal says of executions that are still open, to be read when something is wrong. */
  openExecutions?: string
}

/** Everything that the history does; then until what is left is allowed, or the patience is over. */
export async function live(scene: Scene, history: History): Promise<Lived> {
  const subject = await begin(scene, history)
  const steps: Step[] = []
  for (const action of history.actions) steps.push(await stepOf(scene, subject, action))
  return settle(scene, { subject, steps })
}

async function stepOf(scene: Scene, subject: Subject, action: Action): Promise<Step> {
  const state = await stateOf(scene, subject)
  const answer = await act(scene, subject, action).catch((error: unknown): Answer => {
    return { kind: 'wrong', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  })
  return { action, answer, endedBefore: state !== undefined && isFinal(state) ? state : null }
}

/** Undefined also for what the ledger has forgotten. */
async function stateOf({ scenario, goesBack }: Scene, { runId }: Subject): Promise<string | undefined> {
  try {
    const { writebacks } = await scenario.world.admin.getRun({ run_id: runId })
    return writebacks[0]?.state
  } catch (error) {
    if (goesBack) return undefined
    throw error
  }
}

/** With `reconciles`, what dead executions have left open is a difference too: to be asked when the reconciler was there. */
export async function settle(
  scene: Scene,
  life: { subject: Subject; steps: Step[] },
  { reconciles = false } = {},
): Promise<Lived> {
  const deadlineMs = Date.now() + (scene.goesBack ? UNTRUE_PATIENCE_MS : SETTLING_PATIENCE_MS)
  for (;;) {
    const observed = await observe(scene, life.subject)
    const found = scene.goesBack
      ? untruths(life.subject.history, life.steps, observed)
      : differences(life.subject.history, life.steps, observed, {
          workersDied: scene.workersDiedSince(life.subject.begunAtMs),
          reconciles,
          recordsInOrder: RECORDS_IN_ORDER,
        })
    if (found.length === 0) return { ...life, observed, differences: found }
    if (Date.now() > deadlineMs) {
      const openExecutions = await describeOpen(scene, life.subject)
      return { ...life, observed, differences: found, openExecutions }
    }
    await sleep(SETTLING_INTERVAL_MS)
  }
}

/**
 * Later: nothing has changed by itself; what waits can still be approved, and ends with its one effect; what is over,
 * or dead, cannot.
 */
export async function liveOn(scene: Scene, life: Lived): Promise<Lived> {
  const after = await observe(scene, life.subject)
  const wasAlive = Object.values(life.observed.alive).some(Boolean)
  const isChanged = JSON.stringify(after) !== JSON.stringify(life.observed)
  // What still waited may have gone on: a decision can be long on its way.
  const { observed: before } = isChanged && wasAlive ? await settle(scene, life, RECONCILED) : life
  if (isChanged && !wasAlive) {
    const text = `it changed by itself: ${JSON.stringify(before)} → ${JSON.stringify(after)}`
    return { ...life, observed: after, differences: [text] }
  }
  const { steps } = await approve(scene, life)
  const lived = await settle(scene, { subject: life.subject, steps }, RECONCILED)
  const wasWaiting = before.alive.approval
  const isSame = JSON.stringify(lived.observed) === JSON.stringify(before)
  const isApplied = ['applied', 'already_applied', 'unknown'].includes(lived.observed.rows[0] ?? '')
  if (lived.differences.length > 0 || (wasWaiting ? isApplied : isSame)) return lived
  const text = wasWaiting
    ? 'it waited, was approved, and was not applied'
    : 'it was over, and an approval changed it'
  return { ...lived, differences: [`${text}: ${JSON.stringify(lived.observed)}`] }
}

/** By everybody who may. */
export async function approve<Life extends Pick<Lived, 'subject' | 'steps'>>(
  scene: Scene,
  life: Life,
): Promise<Life> {
  const steps = [...life.steps]
  for (const by of ['lena', 'max'] as const)
    steps.push(await stepOf(scene, life.subject, { kind: 'decide', verdict: 'approve', by, through: 'api' }))
  return { ...life, steps }
}

/** Leaves out one action after the other for as long as the difference stays. Chance plays a part: each is tried twice. */
export async function shrink(scene: Scene, lived: Lived): Promise<Lived> {
  const deadlineMs = Date.now() + SHRINKING_PATIENCE_MS
  let smallest = lived
  for (let index = lived.subject.history.actions.length - 1; index >= 0; index--) {
    if (Date.now() > deadlineMs) break
    const { history } = smallest.subject
    const without = { ...history, actions: history.actions.filter((_, place) => place !== index) }
    const tried = await Promise.all([live(scene, without), live(scene, without)])
    smallest = tried.find(({ differences: found }) => found.length > 0) ?? smallest
  }
  return smallest
}

export function reportOf({ subject, steps, observed, differences: found, openExecutions }: Lived): string {
  const { history, runId } = subject
  const told = steps.map(({ action, answer, endedBefore }) => {
    const before = endedBefore === null ? '' : ` (${endedBefore} before)`
    return `  ${JSON.stringify(action)} → ${JSON.stringify(answer)}${before}`
  })
  const head = `${history.write}, gate ${history.gate}, ${runId}`
  const left = `  left: ${JSON.stringify(observed)}`
  const said = found.map((text) => `  DIFFERENCE ${text}`)
  return [head, ...told, left, ...said, ...(openExecutions ? [openExecutions] : [])].join('\n')
}
