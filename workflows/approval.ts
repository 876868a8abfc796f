/**
 * A wait for decisions about one writeback. Whatever the door, a message ends up in the same queue; it is verified by
 * an activity, judged by the pure `decide`, recorded, and answered. Nothing is ever approved by time.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
} from '@temporalio/workflow'
import { isErrorCode } from '../schemas/errors.ts'
import type {
  ApprovalInput,
  ApprovalResult,
  DecisionAnswer,
  DecisionMessage,
  Envelope,
} from '../schemas/run.ts'
import { nearby } from './activity-options.ts'
import {
  asRecorded,
  createApprovalState,
  decide,
  MAX_REFUSALS,
  refuse,
  type ApprovalState,
  type ApprovalStatus,
  type Decided,
} from './decide.ts'
import { approvalDetails, type Identity } from './details.ts'
import { assertInput, failure, stepErrorOf } from './failures.ts'
import {
  answerSignal,
  approveSignal,
  decideUpdate,
  decisionMessageOf,
  getApprovalQuery,
  rejectSignal,
  SIGNAL_DESCRIPTION,
  verdictOf,
} from './messages.ts'
import { createPage, noteUnknownSignals, type Page } from './page.ts'

/** Ten years: longer than anybody waits, and far from what a date can hold. */
const MAX_WAIT_MS = 10 * 365 * 24 * 3_600_000

type ClosedStatus = Exclude<ApprovalStatus, 'waiting'>

interface Received {
  /** Null for what is neither a ticket nor somebody's word. */
  message: DecisionMessage | null
  door: 'signal' | 'update' | 'ledger'
  answer?: DecisionAnswer
}

interface Wait {
  input: ApprovalInput
  page: Page
  expiresAtMs: number
  identity: Identity
  /** Null until the ledger has been asked. */
  state: ApprovalState | null
  queue: Received[]
  received: number
  /** Signals that were looked at and did not count. */
  vainSignals: number
  /** Of the decisions that count, in their order. */
  envelopes: Envelope[]
}

type Judged = Decided & { envelope?: Envelope }

export async function approvalWorkflow(input: ApprovalInput): Promise<ApprovalResult> {
  const expiresAtMs = Date.now() + waitOf(input)
  const wait: Wait = {
    input,
    page: createPage(),
    expiresAtMs,
    identity: 'verified',
    state: null,
    queue: [],
    received: 0,
    vainSignals: 0,
    envelopes: [],
  }
  receiveDecisions(wait)
  noteUnknownSignals(wait.page)
  let status: ClosedStatus
  try {
    const recorded = await open(wait)
    const known = new Set(input.kept.map(({ ticket }) => ticket?.payload))
    const more = recorded.filter(({ ticket }) => !known.has(ticket?.payload))
    // Before what has come in meanwhile: it was said earlier.
    wait.queue.unshift(...[...input.kept, ...more].map((message) => ({ message, door: 'ledger' as const })))
    status = await decideUntilClosed(wait)
  } catch (error) {
    if (!isCancellation(error)) throw error
    status = await CancellationScope.nonCancellable(() => close(wait, 'withdrawn'))
  }
  answerTheRest(wait, status)
  if (wait.state) wait.page.show(approvalDetails(wait.state, wait.identity, input.approvalId))
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
  return { state: status, decisions: wait.envelopes, reason: wait.state?.votes.at(-1)?.comment ?? '' }
}

/** Anybody can start this workflow with anything; a plain error would loop its task for ever. */
function waitOf(input: Partial<ApprovalInput> | null | undefined): number {
  const { expiresAfterMs } = input?.asked ?? {}
  const looksRight =
    Array.isArray(input?.kept) &&
    typeof expiresAfterMs === 'number' &&
    expiresAfterMs >= 0 &&
    expiresAfterMs <= MAX_WAIT_MS
  assertInput(looksRight, 'an approval')
  return Number(expiresAfterMs)
}

/** Handlers only put into the queue; an update waits there for its answer. */
function receiveDecisions(wait: Wait): void {
  const receive = (door: Received['door'], message: DecisionMessage | null): Received => {
    const received: Received = { door, message }
    wait.queue.push(received)
    return received
  }
  setHandler(approveSignal, (raw) => void receive('signal', decisionMessageOf('approve', raw)), {
    description: SIGNAL_DESCRIPTION.approve,
  })
  setHandler(rejectSignal, (raw) => void receive('signal', decisionMessageOf('reject', raw)), {
    description: SIGNAL_DESCRIPTION.reject,
  })
  setHandler(answerSignal, (raw) => void receive('signal', decisionMessageOf('approve', raw)), {
    description: 'Answer the question. Input: {"ticket": …} as a door has signed it.',
  })
  setHandler(
    decideUpdate,
    async (raw) => {
      const verdict = verdictOf(raw)
      const received = receive('update', verdict && decisionMessageOf(verdict, raw))
      // Also if the wait is cancelled meanwhile: whoever decided is told what became of it.
      await CancellationScope.nonCancellable(() => condition(() => received.answer !== undefined))
      if (!received.answer)
        throw failure({ code: 'WAIT_OVER', message: 'the wait ended before the decision was looked at' })
      return received.answer
    },
    { description: 'Decide, and learn whether it counts' },
  )
  setHandler(getApprovalQuery, () => viewOf(wait), {
    description: 'What waits for whom, and who has said what',
  })
}

/** The ledger says what is to be approved; what came in as input is only where to look. */
async function open(wait: Wait): Promise<DecisionMessage[]> {
  const { organization, approvalId, writebackId, asked, asking } = wait.input
  const expiresAt = new Date(wait.expiresAtMs).toISOString()
  const key = { organization, approvalId, writebackId }
  const opened = asking
    ? await nearby().openAsk({ asking, expiresAt })
    : await nearby().openApproval({ ...key, digest: asked.digest, expiresAt })
  wait.state = createApprovalState(opened.pending, wait.expiresAtMs)
  wait.identity = opened.identity
  return opened.recorded
}

async function decideUntilClosed(wait: Wait): Promise<ClosedStatus> {
  for (;;) {
    const state = stateOf(wait)
    if (state.status !== 'waiting') return state.status
    const [received] = wait.queue
    if (received) {
      // It leaves the queue with its answer, so that a cancel in between finds it there.
      await take(wait, received)
      wait.queue.shift()
      continue
    }
    wait.page.show(approvalDetails(state, wait.identity, wait.input.approvalId))
    const remainingMs = wait.expiresAtMs - Date.now()
    const isInTime =
      remainingMs > 0 &&
      (await condition(() => wait.queue.length > 0, remainingMs, { summary: 'Decision due' }))
    if (!isInTime) await close(wait, 'expired')
  }
}

async function take(wait: Wait, received: Received): Promise<void> {
  const decided = await recorded(wait, await judged(wait, received))
  wait.state = decided.state
  if (received.door === 'signal' && !decided.counted) wait.vainSignals++
  received.answer = decided.answer
}

/** The record verifies once more, by the roles of this moment: whose role is gone does not count, whenever they voted. */
async function recorded(wait: Wait, decided: Judged): Promise<Judged> {
  const { counted, envelope } = decided
  if (!counted || !envelope) return decided
  const votes = [...decided.state.votes]
  const { asking } = wait.input
  try {
    const known = asking
      ? await nearby().recordAnswer({ asking, envelope })
      : await nearby().recordDecision({ ...keyOf(wait.input), envelope, votes })
    wait.envelopes.push(envelope)
    return asRecorded(decided, known)
  } catch (error) {
    if (isCancellation(error)) throw error
    const { code, message } = stepErrorOf(error)
    return refuse(stateOf(wait), isErrorCode(code) ? code : 'UNVERIFIED', message)
  }
}

async function judged(wait: Wait, { door, message }: Received): Promise<Judged> {
  const state = stateOf(wait)
  if (door === 'signal' && wait.vainSignals >= MAX_REFUSALS)
    return refuse(state, 'TOO_MANY_REFUSED', `${MAX_REFUSALS} signals did not count before`)
  if (!message)
    return refuse(
      state,
      'UNVERIFIED',
      'the message is neither a ticket nor of a form that we know, or says another verdict than its name',
    )
  const position = wait.received++
  const { digest } = state.pending
  const { asking } = wait.input
  const resolved = asking
    ? await nearby().resolveAnswer({ asking, message })
    : await nearby().resolveDecision({ ...keyOf(wait.input), digest, message, position })
  if (resolved.kind === 'refused') return refuse(state, resolved.code, resolved.message)
  const decided = decide(state, resolved.vote, Date.now(), { isRecorded: door === 'ledger' })
  return { ...decided, envelope: resolved.envelope }
}

async function close<Status extends 'expired' | 'withdrawn'>(wait: Wait, status: Status): Promise<Status> {
  await nearby().closeApproval({ ...keyOf(wait.input), state: status })
  if (wait.state) wait.state = { ...wait.state, status }
  return status
}

/** Whoever came while the last one was looked at is told how it ended, without a further look. */
function answerTheRest(wait: Wait, status: ClosedStatus): void {
  for (const received of wait.queue.splice(0)) {
    received.answer = { accepted: false, state: status, code: 'ALREADY_DECIDED', message: status }
  }
}

function keyOf({ organization, approvalId, writebackId }: ApprovalInput): {
  organization: string
  approvalId: string
  writebackId: string
} {
  return { organization, approvalId, writebackId }
}

function stateOf({ state }: Wait): ApprovalState {
  if (!state) throw failure({ code: 'STEP_FAILED', message: 'the approval was not opened' })
  return state
}

function viewOf({ input, state, expiresAtMs }: Wait): unknown {
  const { approvalId } = input
  const expiresAt = new Date(expiresAtMs).toISOString()
  if (!state) return { approvalId, status: 'opening', expiresAt }
  const { pending, status, votes, refusals } = state
  return { approvalId, pending, status, votes, refusals, expiresAt }
}
