/**
 * Automations that run themselves in every run, directly or by way of others: each of their runs would fail, some runs
 * deep. One that does so under a condition is left alone.
 */
import type { AutomationSpec, StepManifest } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { allSteps, blocksOf } from '../schemas/step-tree.ts'
import { place } from './document.ts'
import type { Known } from './known.ts'

interface SubRun {
  at: string
  automation: string
}

export function cyclePlaces(
  path: string,
  { name, spec }: { name: string; spec: AutomationSpec },
  { automations }: Known,
): ProblemPlace[] {
  return certainSubRuns(path, spec.steps).flatMap(({ at, automation }) => {
    const chain = wayBack(name, [automation], automations)
    if (!chain) return []
    const message = `every run would run \`${name}\` again: ${[name, ...chain].join(' → ')}`
    return [place('endless', `${at}.run_automation.automation`, message, 'Put an `if` on the step.')]
  })
}

/** Names from the last of `chain` on to `name`; null if none of its runs has to come there. */
function wayBack(name: string, chain: string[], automations: Known['automations']): string[] | null {
  const last = chain.at(-1) ?? ''
  if (last === name) return chain
  for (const { automation } of certainSubRuns('', automations.get(last)?.steps ?? [])) {
    if (chain.includes(automation)) continue
    const found = wayBack(name, [...chain, automation], automations)
    if (found) return found
  }
  return null
}

/** Of steps that are reached in every run that does not fail before, and whose failure is that of the run. */
function certainSubRuns(path: string, steps: readonly StepManifest[]): SubRun[] {
  const found: SubRun[] = []
  for (const [index, step] of steps.entries()) {
    if (mayEnd(step)) break
    const at = `${path}[${index}]`
    const isCertain = step.if === undefined && !('on_error' in step && step.on_error === 'continue')
    if (!isCertain) continue
    if ('run_automation' in step) found.push({ at, automation: step.run_automation.automation })
    if ('parallel' in step)
      for (const block of blocksOf(step)) found.push(...certainSubRuns(`${at}.${block.at}`, block.steps))
  }
  return found
}

function mayEnd(step: StepManifest): boolean {
  return allSteps('', [step]).some((inner) => 'return' in inner.step || 'fail' in inner.step)
}
