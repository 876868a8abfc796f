/**
 * A wait for decisions about one writeback. Whatever the door, a message ends up in the same queue; it is verified by
 * an activity, judged by the pure `decide`, recorded, and answered. Nothing is ever approved by time.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow'
import type {
  ApprovalInput,
  ApprovalResult,
  DecisionAnswer,
  DecisionMessage,
  Envelope,
} from '../schemas/run.ts'
import { nearby } from './activity-options.ts'
import {
  createApprovalState,
  decide,
  MAX_REFUSALS,
  refuse,
  type ApprovalState,
  type Decided,
} from './decide.ts'
import { approvalDetails, type Identity } from './details.ts'
import { failure } from './failures.ts'
import {
  approveSignal,
  decideUpdate,
  decisionMessageOf,
  getApprovalQuery,
  rejectSignal,
  SIGNAL_DESCRIPTION,
  verdictOf,
} from './messages.ts'

interface Received {
  /** Null for what is neither a ticket nor somebody's word. */
  message: DecisionMessage | null
  answer?: DecisionAnswer
}

interface Wait {
  input: ApprovalInput
  identity: Identity
  state: ApprovalState
  queue: Received[]
  received: number
  /** Of the decisions that count, in their order. */
  envelopes: Envelope[]
}

export async function approvalWorkflow(input: ApprovalInput): Promise<ApprovalResult> {
  const expiresAtMs = Date.now() + input.pending.requirement.expiresAfterMs
  const state = createApprovalState(input.pending, expiresAtMs)
  const wait: Wait = { input, identity: 'verified', state, queue: [], received: 0, envelopes: [] }
  receiveDecisions(wait)
  try {
    await open(wait)
    for (const message of input.kept) wait.queue.push({ message })
    await decideUntilClosed(wait)
  } catch (error) {
    if (!isCancellation(error)) throw error
    await CancellationScope.nonCancellable(() => close(wait, 'withdrawn'))
  }
  setCurrentDetails(approvalDetails(wait.state, wait.identity, input.approvalId))
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
  return resultOf(wait)
}

/** Handlers only put into the queue; an update waits there for its answer. */
function receiveDecisions(wait: Wait): void {
  const receive = (message: DecisionMessage | null): Received => {
    const received: Received = { message }
    wait.queue.push(received)
    return received
  }
  setHandler(approveSignal, (raw) => void receive(decisionMessageOf('approve', raw)), {
    description: SIGNAL_DESCRIPTION.approve,
  })
  setHandler(rejectSignal, (raw) => void receive(decisionMessageOf('reject', raw)), {
    description: SIGNAL_DESCRIPTION.reject,
  })
  setHandler(
    decideUpdate,
    async (raw) => {
      const verdict = verdictOf(raw)
      const received = receive(verdict && decisionMessageOf(verdict, raw))
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
async function open(wait: Wait): Promise<void> {
  const { organization, approvalId, pending } = wait.input
  const { writebackId, digest } = pending
  const { expiresAtMs } = wait.state
  const { workflowId } = workflowInfo()
  const expiresAt = new Date(expiresAtMs).toISOString()
  const opened = await nearby().openApproval({
    organization,
    approvalId,
    writebackId,
    digest,
    workflowId,
    expiresAt,
  })
  wait.state = { ...wait.state, pending: opened.pending }
  wait.identity = opened.identity
}

async function decideUntilClosed(wait: Wait): Promise<void> {
  while (wait.state.status === 'waiting') {
    const [received] = wait.queue
    if (received) {
      // It leaves the queue with its answer, so that a cancel in between finds it there.
      await take(wait, received)
      wait.queue.shift()
      continue
    }
    setCurrentDetails(approvalDetails(wait.state, wait.identity, wait.input.approvalId))
    const remainingMs = wait.state.expiresAtMs - Date.now()
    const isInTime =
      remainingMs > 0 &&
      (await condition(() => wait.queue.length > 0, remainingMs, { summary: 'Decision due' }))
    if (!isInTime) await close(wait, 'expired')
  }
  answerTheRest(wait)
}

async function take(wait: Wait, received: Received): Promise<void> {
  const { organization, approvalId, pending } = wait.input
  const key = { organization, approvalId, writebackId: pending.writebackId }
  const decided = await judged(wait, received)
  if (decided.counted && decided.envelope) {
    const { votes, status } = decided.state
    await nearby().recordDecision({ ...key, envelope: decided.envelope, votes: [...votes], state: status })
    wait.envelopes.push(decided.envelope)
  }
  wait.state = decided.state
  received.answer = decided.answer
}

async function judged(wait: Wait, { message }: Received): Promise<Decided & { envelope?: Envelope }> {
  const { state, input } = wait
  if (state.refusals.length >= MAX_REFUSALS)
    return refuse(state, 'TOO_MANY_REFUSED', `${MAX_REFUSALS} were refused before`)
  if (!message)
    return refuse(state, 'UNVERIFIED', 'the message is neither a ticket nor of a form that we know')
  const { organization, approvalId, pending } = input
  const { writebackId, digest } = pending
  const position = wait.received++
  const resolved = await nearby().resolveDecision({
    organization,
    approvalId,
    writebackId,
    digest,
    message,
    position,
  })
  if (resolved.kind === 'refused') return refuse(state, resolved.code, resolved.message)
  return { ...decide(state, resolved.vote, Date.now()), envelope: resolved.envelope }
}

async function close(wait: Wait, status: 'expired' | 'withdrawn'): Promise<void> {
  const { organization, approvalId, pending } = wait.input
  const votes = [...wait.state.votes]
  await nearby().closeApproval({
    organization,
    approvalId,
    writebackId: pending.writebackId,
    votes,
    state: status,
  })
  wait.state = { ...wait.state, status }
  answerTheRest(wait)
}

/** Whoever came while the last one was looked at is told how it ended, without a further look. */
function answerTheRest(wait: Wait): void {
  for (const received of wait.queue.splice(0)) {
    const { answer } = refuse(wait.state, 'ALREADY_DECIDED', wait.state.status)
    received.answer = answer
  }
}

function resultOf(wait: Wait): ApprovalResult {
  const { status, votes } = wait.state
  if (status === 'waiting')
    throw failure({ code: 'STEP_FAILED', message: 'an approval ended while it was waiting' })
  const last = votes.at(-1)
  return { state: status, decisions: wait.envelopes, reason: last?.comment ?? '' }
}

function viewOf(wait: Wait): unknown {
  const { pending, status, votes, refusals, expiresAtMs } = wait.state
  return {
    approvalId: wait.input.approvalId,
    pending,
    status,
    votes,
    refusals,
    expiresAt: new Date(expiresAtMs).toISOString(),
  }
}
