/**
 * Waiting for a person to say what became of a write, when nobody knows. A message is verified and recorded by an
 * activity, whenever it comes; the ledger's word then ends the wait. A cancel ends it too, and leaves the write unknown.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  log,
  setHandler,
} from '@temporalio/workflow'
import type { Call, ResolutionAnswer, ResolutionInput, WriteOutcome } from '../schemas/run.ts'
import { nearby } from './activity-options.ts'
import { MAX_REFUSALS } from './decide.ts'
import { resolveSignal, resolveUpdate, ticketOf } from './messages.ts'

export interface Resolutions {
  /** What the write has become, once somebody's word was recorded. */
  outcome: WriteOutcome | null
  refusals: { code: string; message: string }[]
  refusedSignals: number
}

/** From the start of the workflow on: what comes too early is told so by the ledger. */
export function receiveResolutions(call: Call, onChange: () => void): Resolutions {
  const received: Resolutions = { outcome: null, refusals: [], refusedSignals: 0 }
  const receive = async (raw: unknown): Promise<ResolutionAnswer> => {
    const answer = await CancellationScope.nonCancellable(() => record(call, raw))
    if (answer.outcome) received.outcome = answer.outcome
    if (!answer.accepted) {
      const { code = '', message } = answer
      received.refusals = [...received.refusals, { code, message }].slice(-MAX_REFUSALS)
    }
    onChange()
    return answer
  }
  setHandler(
    resolveSignal,
    async (raw) => {
      // As for decisions: signals are bounded among themselves, and stop no update.
      if (received.refusedSignals >= MAX_REFUSALS) return
      const { accepted, code } = await receive(raw)
      if (accepted) return
      received.refusedSignals++
      log.warn('a resolution was refused', { code })
    },
    {
      description:
        'Say what became of a write of unknown outcome. Input: {"ticket": …} as printed by `countersign writebacks resolve ID --ticket`.',
    },
  )
  setHandler(resolveUpdate, receive, {
    description: 'Say what became of the write, and learn whether it counts',
  })
  return received
}

async function record(call: Call, raw: unknown): Promise<ResolutionAnswer> {
  const ticket = ticketOf(raw)
  if (!ticket)
    return { accepted: false, outcome: null, code: 'UNVERIFIED', message: 'the message is no ticket' }
  const input: ResolutionInput = {
    organization: call.organization,
    writebackId: call.origin.writebackId,
    ticket,
  }
  return nearby().recordResolution(input)
}

/** The outcome as it was, if the wait is cancelled. */
export async function untilResolved(unknown: WriteOutcome, received: Resolutions): Promise<WriteOutcome> {
  try {
    await condition(() => received.outcome !== null)
  } catch (error) {
    if (!isCancellation(error)) throw error
  }
  return received.outcome ?? unknown
}

/** Whoever has sent a message is told what came of it. */
export async function untilAllAnswered(): Promise<void> {
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
}
