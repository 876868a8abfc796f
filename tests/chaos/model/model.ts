/**
 * What may be so at the end of a history. It knows nothing of how the product works, only what it promises: a write
 * happens at most once, only after the people whom policy names have approved it, and never after it was withdrawn,
 * rejected, refused or out of time; the ledger and the receipts say what is so; a run that was reset ends the same.
 * Pure, and imports nothing of the product.
 */
import type { Action, Answer, Gate, History, Write } from './actions.ts'
import {
  firstVotes,
  isSurelyDecided,
  isSurelyRejected,
  isTold,
  mayBeRejected,
  peopleOf,
  quorumOf,
  votesOf,
  type Vote,
} from './votes.ts'

export interface Step {
  action: Action
  answer: Answer
  /** What the ledger said before the action, if the write was over then. */
  endedBefore: string | null
}

export interface Observed {
  run: string
  /** States of the rows in the ledger. */
  rows: string[]
  /** States of the inbox's entries. */
  inbox: string[]
  /** Verified, such as `approve by lena` and `outcome applied`, in their order. */
  receipts: string[]
  /** How many there are by the run's own result; null if it says nothing. */
  receiptsInResult: number | null
  problems: string[]
  /** How often the target was changed, or, where it knows keys, with how many keys. */
  effects: number
  /** Which executions are open. */
  alive: { run: boolean; writeback: boolean; approval: boolean }
}

export interface Surroundings {
  /** A worker was killed meanwhile: then the fate of a call that may not be repeated can be unknown. */
  workersDied: boolean
  /**
   * Whether somebody has come by and ended what dead executions left open. Before, a row may be open when nothing is alive
   * that could apply it; and a wait may outlive a run that was reset, and ended before it had found the wait again.
   */
  reconciles: boolean
  /**
   * Whether a decision is only recorded if it counts. False: a worker that dies between recording one and saying so to
   * Temporal leaves its record, and the next one may take another decision first, also one of the same person.
   */
  recordsInOrder: boolean
}

/** States of a row that will not change any more. */
export const FINAL = [
  'applied',
  'unknown',
  'rejected',
  'withdrawn',
  'expired',
  'refused',
  'failed',
  'conflict',
]
const LEADS: string[] = ['lena', 'max']

export function isFinal(state: string | undefined): boolean {
  return state !== undefined && FINAL.includes(plain(state))
}

/** A repeated write that the target recognised is the same to whoever asked for it. */
function plain(state: string): string {
  return state === 'already_applied' ? 'applied' : state
}

/** Empty if this is an end that the promises allow; else what is wrong. */
export function differences(
  history: History,
  steps: readonly Step[],
  observed: Observed,
  surroundings: Surroundings,
): string[] {
  const facts = factsOf(history, steps)
  return [
    ...answerDifferences(steps),
    ...effectDifferences(facts, observed),
    ...endDifferences(facts, observed, surroundings),
    ...receiptDifferences(facts, observed, surroundings),
    ...monotonyDifferences(steps, observed),
  ]
}

interface Facts {
  gate: Gate
  write: Write
  votes: Vote[]
  /** Somebody cancelled or terminated something. */
  stopped: boolean
  /** The same, and nobody has reset the run since. */
  stoppedForGood: boolean
  wasReset: boolean
  /** Since the last reset. */
  terminatedRun: boolean
  /** At any time. */
  cancelledRun: boolean
}

function factsOf({ gate, write }: History, steps: readonly Step[]): Facts {
  const done = steps.filter(({ answer }) => answer.kind === 'done').map(({ action }) => action)
  const lastReset = done.findLastIndex(({ kind }) => kind === 'reset')
  const isStop = ({ kind }: Action) => kind === 'cancel' || kind === 'terminate'
  const ofRun = (kind: Action['kind']) => (action: Action) =>
    action.kind === kind && 'what' in action && action.what === 'run'
  return {
    gate,
    write,
    votes: votesOf(steps),
    stopped: done.some(isStop),
    stoppedForGood: done.slice(lastReset + 1).some(isStop),
    wasReset: lastReset >= 0,
    terminatedRun: done.slice(lastReset + 1).some(ofRun('terminate')),
    cancelledRun: done.some(ofRun('cancel')),
  }
}

/** As far as approvals go that came while there was something that could have applied it. */
function isApprovable({ gate, votes }: Facts): boolean {
  if (gate === 'free') return true
  const inTime = votes.filter((vote) => vote.inTime)
  return gate !== 'deny' && peopleOf(inTime, 'approve').size >= quorumOf(gate)
}

/** A decision that was recorded by a worker that died may be overtaken by another one. */
function mayBeLost({ workersDied, recordsInOrder }: Surroundings): boolean {
  return workersDied && !recordsInOrder
}

function answerDifferences(steps: readonly Step[]): string[] {
  return steps.flatMap(({ action, answer }) => {
    if (answer.kind === 'wrong') return [`${action.kind}: ${answer.message}`]
    if (action.kind === 'decide_wrongly' && answer.kind === 'counted')
      return [`the decision of ${action.by} counted`]
    return []
  })
}

function effectDifferences(facts: Facts, { effects, rows }: Observed): string[] {
  const wrong: string[] = []
  const [state] = rows
  if (rows.length > 1) wrong.push(`${rows.length} rows for one write`)
  if (effects > 1) wrong.push(`${effects} effects`)
  if (effects > 0 && !isApprovable(facts)) wrong.push('an effect that nobody who may has approved')
  if (state !== undefined && isFinal(state) && plain(state) !== 'unknown') {
    const said = plain(state) === 'applied' ? 1 : 0
    if (said !== effects) wrong.push(`the ledger says ${state}, and there are ${effects} effects`)
  }
  if ((state === undefined || state === 'planned') && effects > 0) wrong.push('an effect that was never sent')
  return wrong
}

function endDifferences(facts: Facts, observed: Observed, surroundings: Surroundings): string[] {
  const { rows, alive } = observed
  const [state] = rows
  const isAlive = alive.run || alive.writeback || alive.approval
  if (isFinal(state)) return finalDifferences(facts, observed, surroundings)
  if (isAlive) return waitDifferences(facts, observed, surroundings)
  if (!facts.stopped) return [`nobody stopped it, and it is ${state ?? 'nowhere'} with nothing alive`]
  if (state !== undefined && surroundings.reconciles) return [`the row of a dead write is still ${state}`]
  return []
}

function finalDifferences(facts: Facts, observed: Observed, surroundings: Surroundings): string[] {
  const { workersDied, reconciles } = surroundings
  const { rows, alive, run, inbox } = observed
  const state = plain(rows[0] ?? '')
  const { gate, write, votes, stopped } = facts
  const isRejected = isSurelyRejected(gate, votes, !mayBeLost(surroundings))
  const maySend = isApprovable(facts) && !isRejected
  const rejecters = peopleOf(
    votes.filter(({ inTime }) => inTime),
    'reject',
  )
  const allowed: Record<string, boolean> = {
    applied: maySend,
    // After a stop nothing is sent again: what the last attempt has done is looked at, or nobody knows.
    unknown: maySend && workersDied && (write === 'never' || (write === 'safe' && stopped)),
    failed: maySend && workersDied && write === 'sql' && stopped,
    rejected: rejecters.size > 0 && gate !== 'free' && gate !== 'deny' && mayBeRejected(votes),
    withdrawn: stopped,
    // What is recorded at the last moment may be looked at when the time is over.
    expired: gate === 'brief' && !isTold(votes, 'approved') && !isTold(votes, 'rejected'),
    refused: gate === 'deny',
  }
  const wrong: string[] = []
  if (allowed[state] !== true) wrong.push(`it may not end as ${state}`)
  const isTidy = reconciles || !isLeftBehind(facts, observed)
  if (state === 'unknown') return [...wrong, ...unknownDifferences(facts, observed)]
  if (alive.run || ((alive.writeback || alive.approval) && isTidy))
    wrong.push(`it is ${state}, and still alive: ${JSON.stringify(alive)}`)
  if (inbox.includes('waiting')) wrong.push(`it is ${state}, and the inbox still asks`)
  const runStates = state === 'applied' ? ['completed'] : ['failed']
  if (facts.cancelledRun && state !== 'applied') runStates.push('cancelled')
  // What was terminated does not tell how its write ended.
  if (facts.terminatedRun) runStates.push('terminated')
  if (!alive.run && !runStates.includes(run)) wrong.push(`it is ${state}, and the run is ${run}`)
  return wrong
}

/** It waits for a person who looks at the target, unless somebody stopped that wait. */
function unknownDifferences({ stopped }: Facts, { alive, run, inbox }: Observed): string[] {
  const wrong: string[] = []
  if (alive.approval) wrong.push('it is unknown, and still waits for approval')
  if (inbox.includes('waiting')) wrong.push('it is unknown, and the inbox still asks')
  const waits = alive.run && run === 'waiting_for_resolution'
  if (!waits && !(stopped && !alive.run)) wrong.push(`it is unknown, and the run is ${run}`)
  return wrong
}

/** Temporal takes a child away from its parent when the parent is reset, and so does not tell it of the parent's end. */
function isLeftBehind({ terminatedRun, cancelledRun, wasReset }: Facts, { alive }: Observed): boolean {
  return (terminatedRun || cancelledRun) && wasReset && !alive.run
}

/** Something is alive, and the write is not over: then it waits for people, in good health. */
function waitDifferences(facts: Facts, observed: Observed, { reconciles }: Surroundings): string[] {
  const { rows, inbox, alive } = observed
  const wrong: string[] = []
  const isLeft = !reconciles && isLeftBehind(facts, observed)
  if (facts.stoppedForGood && !isLeft) wrong.push('somebody stopped it, and it goes on')
  if (isSurelyDecided(facts.gate, facts.votes)) wrong.push('it is decided, and goes on waiting')
  if (rows[0] !== 'planned') wrong.push(`it is alive and ${rows[0] ?? 'not planned'}`)
  if ((!alive.run && !isLeft) || !alive.writeback || !alive.approval)
    wrong.push(`part of it is dead: ${JSON.stringify(alive)}`)
  if (inbox.at(-1) !== 'waiting') wrong.push(`it waits, and the inbox says ${inbox.join(', ')}`)
  if (facts.gate === 'brief') wrong.push('it should be out of time')
  return wrong
}

function receiptDifferences(facts: Facts, observed: Observed, surroundings: Surroundings): string[] {
  const { receipts, rows, run } = observed
  const wrong = [...observed.problems]
  const outcomes = receipts.filter((text) => text.startsWith('outcome'))
  const expected = isFinal(rows[0]) ? [`outcome ${rows[0]}`] : []
  if (outcomes.join() !== expected.join())
    wrong.push(`receipts of outcomes: ${outcomes.join() || 'none'}, and the row is ${rows[0] ?? 'nowhere'}`)
  const decisions = receipts.filter((text) => !text.startsWith('outcome'))
  const voters = decisions.map((text) => text.split(' by ')[1] ?? '')
  if (new Set(voters).size !== voters.length && !mayBeLost(surroundings))
    wrong.push(`somebody decided twice: ${decisions.join()}`)
  for (const decision of decisions) {
    const [verdict, by] = decision.split(' by ')
    const could = peopleOf(facts.votes, verdict === 'approve' ? 'approve' : 'reject')
    if (!LEADS.includes(by ?? '') || !could.has(by ?? ''))
      wrong.push(`a receipt of what nobody decided: ${decision}`)
  }
  if (run === 'completed' && receipts.length > 0 && observed.receiptsInResult === null)
    wrong.push('the result of the run says nothing of its receipts')
  return [...wrong, ...missingReceipts(facts, observed), ...authorityDifferences(facts, receipts)]
}

/** Whoever was told that a decision counts has its receipt; what was taken has one too, for as long as it waits. */
function missingReceipts({ votes }: Facts, { receipts, rows, alive }: Observed): string[] {
  const textOf = ({ verdict, by }: Vote): string => `${verdict} by ${by}`
  const told = votes.filter(({ kind }) => kind === 'counted')
  const waits = alive.approval && !isFinal(rows[0])
  const expected = new Set([...told, ...(waits ? firstVotes(votes) : [])].map(textOf))
  return [...expected].filter((text) => !receipts.includes(text)).map((text) => `no receipt of ${text}`)
}

/** What was applied was approved before, by as many as policy asks for, and rejected by nobody; a rejection has a face. */
function authorityDifferences({ gate }: Facts, receipts: string[]): string[] {
  const rejection = receipts.indexOf('outcome rejected')
  if (rejection >= 0 && !receipts.slice(0, rejection).some((text) => text.startsWith('reject')))
    return ['rejected upon nothing']
  const place = receipts.findIndex((text) => text.startsWith('outcome') && text.endsWith('applied'))
  if (place < 0 || gate === 'free') return []
  const before = receipts.slice(0, place)
  const approvers = new Set(before.filter((text) => text.startsWith('approve')))
  const isRejected = before.some((text) => text.startsWith('reject'))
  const isEnough = approvers.size >= quorumOf(gate) && !isRejected
  return isEnough ? [] : [`applied upon: ${before.join(', ') || 'nothing'}`]
}

/** What is over stays as it is. */
function monotonyDifferences(steps: readonly Step[], { rows }: Observed): string[] {
  const ends = [
    ...steps.flatMap(({ endedBefore }) => (endedBefore === null ? [] : [endedBefore])),
    rows[0] ?? 'nowhere',
  ]
  return new Set(ends).size > 1 && ends.length > 1 ? [`it was over, and changed: ${ends.join(' → ')}`] : []
}
