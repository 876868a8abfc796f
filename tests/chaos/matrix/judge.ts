/** What must be so of a run that is over, whatever was done to it on its way. Pure. */
import { goesBack } from './cells.ts'
import type { Evidence } from './evidence.ts'

/** Empty if it is an end that the promises allow. */
export function violationsOf(evidence: Evidence): string[] {
  return [
    ...problemsOf(evidence),
    ...truthOf(evidence),
    ...(goesBack(evidence) ? lessIsKnown(evidence) : allIsKnown(evidence)),
  ]
}

/** A person who looks at the target may know more. */
export function wasUnknown({ receipts }: Evidence): boolean {
  return receipts.includes('outcome unknown')
}

/** A chain may be shorter than the result of its run says, if it was put back; nothing else is wrong with it. */
function problemsOf(evidence: Evidence): string[] {
  const { problems } = evidence
  return goesBack(evidence) ? problems.filter((text) => !text.includes('it is missing or differs')) : problems
}

/** At most one effect; and nobody signs that it is there when it is not, or that it is not there when it is. */
function truthOf({ effects, receipts, writebacks, state, code }: Evidence): string[] {
  const wrong: string[] = []
  if (effects > 1) wrong.push(`${effects} effects`)
  const outcomes = receipts.filter((text) => text.startsWith('outcome'))
  if (outcomes.length > 1) wrong.push('more than one receipt of an outcome')
  for (const receipt of receipts) {
    const said = effectsSaidBy(receipt)
    if (said !== null && said !== effects) wrong.push(`“${receipt}”, and there are ${effects} effects`)
  }
  const isSaid = state === 'completed' || code === 'NOT_APPLIED'
  if (isSaid && effects !== (state === 'completed' ? 1 : 0))
    wrong.push(`the run is ${state}, and there are ${effects} effects`)
  if (writebacks.length > 1) wrong.push(`${writebacks.length} rows for one write`)
  return wrong
}

/** Null: nothing. */
function effectsSaidBy(receipt: string): 0 | 1 | null {
  const [kind, ...words] = receipt.split(' ')
  const status = words.join(' ')
  if (kind === 'decision' || status === 'unknown' || status.endsWith('may have changed')) return null
  return status === 'applied' || status === 'already_applied' ? 1 : 0
}

/** Nothing of ours was lost: each step has its receipt, and only a tool that must not be called twice may be unknown. */
function allIsKnown(evidence: Evidence): string[] {
  const { variant, state, code, writebacks, receipts } = evidence
  const [status = 'nowhere'] = writebacks
  const isUnknown = variant !== 'sql' && variant !== 'safe' && wasUnknown(evidence)
  const outcomes = isUnknown ? ['outcome unknown', `resolved ${status}`] : [`outcome ${status}`]
  const isApplied = status === 'applied' || (status === 'already_applied' && !isUnknown)
  const claims: [boolean, string][] = [
    [writebacks.length === 1, 'not one row in the ledger'],
    [
      receipts.join() === ['decision approve', ...outcomes].join(),
      'not one receipt of the decision, then one of the outcome that the ledger has',
    ],
    [evidence.receiptsInResult === receipts.length, 'the result of the run does not know the last receipt'],
    [isApplied || (status === 'failed' && isUnknown), 'neither applied, nor unknown where nobody can know'],
    [
      isApplied ? state === 'completed' : state === 'failed' && code === 'NOT_APPLIED',
      'the run does not end as its write',
    ],
  ]
  return claims.flatMap(([holds, text]) => (holds ? [] : [text]))
}

/** Receipts may be gone, and nobody needs to know; but the write is over, with a receipt that says how it ended. */
function lessIsKnown({ writebacks, receipts }: Evidence): string[] {
  const wrong: string[] = []
  const last = receipts.findLast((text) => !text.startsWith('decision'))
  const said = last?.split(' ')[1]?.replace(',', '')
  const [status = 'nowhere'] = writebacks
  if (said !== status) wrong.push(`the row is ${status}, and the last receipt is “${last ?? 'none'}”`)
  const decisions = receipts.filter((text) => text.startsWith('decision'))
  if (decisions.length > 1) wrong.push('one person decided twice')
  return wrong
}
