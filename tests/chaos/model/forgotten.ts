/**
 * What may be so at the end of a history in which the ledger or Temporal went back to an earlier state. Much is forgotten
 * then, and people may have to decide anew. What was done stays done, once, and nobody signs anything else. Pure.
 */
import type { History } from './actions.ts'
import { isFinal, type Observed, type Step } from './model.ts'
import { quorumOf } from './votes.ts'

export function untruths({ gate }: History, steps: readonly Step[], observed: Observed): string[] {
  const { effects, rows, receipts, problems, run } = observed
  const wrong: string[] = []
  if (effects > 1) wrong.push(`${effects} effects`)
  if (
    effects > 0 &&
    gate !== 'free' &&
    approversIn(steps).size < (gate === 'deny' ? Infinity : quorumOf(gate))
  )
    wrong.push('an effect that nobody who may has approved')
  for (const { action, answer } of steps) {
    if (action.kind === 'decide_wrongly' && answer.kind === 'counted')
      wrong.push(`the decision of ${action.by} counted`)
  }
  const outcomes = receipts.filter((text) => text.startsWith('outcome'))
  if (outcomes.length > 1) wrong.push(`receipts of outcomes: ${outcomes.join()}`)
  for (const outcome of outcomes) {
    const said = effectsSaidBy(outcome)
    if (said !== null && said !== effects) wrong.push(`“${outcome}”, and there are ${effects} effects`)
  }
  const [row] = rows
  if (isFinal(row) && outcomes.at(-1) !== `outcome ${row}`)
    wrong.push(`the row is ${row}, and its receipt “${outcomes.at(-1) ?? 'none'}”`)
  if (run === 'completed' && effects === 0) wrong.push('the run is completed, and there is no effect')
  // The end of the chain may be lost; nothing else is wrong with it.
  return [...wrong, ...problems.filter((text) => !text.includes('it is missing or differs'))]
}

/** Null: nothing. */
function effectsSaidBy(outcome: string): 0 | 1 | null {
  const status = outcome.split(' ')[1] ?? ''
  if (status === 'unknown') return null
  return status === 'applied' || status === 'already_applied' ? 1 : 0
}

/** Whoever has tried may have been heard, also where the answer did not come back. */
function approversIn(steps: readonly Step[]): Set<string> {
  return new Set(
    steps.flatMap(({ action }) =>
      action.kind === 'decide' && action.verdict === 'approve' ? [action.by] : [],
    ),
  )
}
