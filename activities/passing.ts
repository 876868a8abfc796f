/** The door as an activity: what Temporal has been told before, by whom, is at hand for whoever passes or ends a write. */
import { activityInfo, Context, type Info } from '@temporalio/activity'
import type { Asks, Call, Envelope, PerformResult } from '../schemas/run.ts'
import { claimsAmong, type AboutClaim } from './claims.ts'
import { callerId, organizationHere, withContext } from './context.ts'
import type { AskEarlier, DoorDeps } from './door.ts'
import { isCancelAsked } from './executions.ts'
import { notingErased } from './erased.ts'
import { tellingEnd } from './failures.ts'
import { beat, beatAndWait, saidBefore } from './heartbeat.ts'
import { ERASED, saidByPending } from './histories.ts'
import { perform } from './perform.ts'
import type { InShare } from './shares.ts'
import { askEarlier } from './witnesses.ts'

export function createPerform(door: DoorDeps, inShare: InShare) {
  return (
    call: Call,
    decisions: Envelope[] = [],
    { toEnd, afterReset }: Asks = {},
  ): Promise<PerformResult> => {
    const { organization, origin, timeoutMs } = call
    const about = { organization, writebackId: origin.writebackId }
    const work = (signal: AbortSignal, isAfterReset: boolean): Promise<PerformResult> =>
      perform(door, call, decisions, {
        signal,
        giveUpAtMs: beginOfStepMs(activityInfo()) + timeoutMs,
        caller: callerId(),
        toEnd: toEnd ?? null,
        witness: {
          said: [saidBefore()],
          tell: (claim) => beatAndWait({ claim }),
          tellLost: (lost) => beatAndWait({ lost }),
          askEarlier: toEnd ? askingAll(about) : asking(door, about, isAfterReset),
          isCancelAsked: askingCancel(),
        },
      })
    const passing = () =>
      withContext(door, timeoutMs, async (signal) => {
        // Before its turn: an attempt whose organization is busy leaves a heartbeat too, and the next one would miss nothing.
        const isAfterReset = (await notingErased()) || afterReset === true
        return inShare(organizationHere(), () => work(signal, isAfterReset))
      })
    return tellingEnd(door, call, passing, saidBefore)
  }
}

/** Where no worker was there for longer than the step may take, it is tried once all the same. */
function beginOfStepMs({ attempt, scheduledTimestampMs }: Info): number {
  return attempt === 1 ? Math.max(scheduledTimestampMs, Date.now()) : scheduledTimestampMs
}

function askingCancel(): (runWorkflowId: string) => Promise<boolean> {
  const { client, info } = Context.current()
  const { workflowId = '', runId = '' } = info.workflowExecution ?? {}
  return (runWorkflowId) => isCancelAsked(client, { workflowId, runId }, runWorkflowId)
}

/** Null: there is nobody to ask. */
function asking(door: DoorDeps, about: AboutClaim, isAfterReset: boolean): AskEarlier | null {
  const { isErased, knowsEarlier } = saidBefore()
  const ask = isAfterReset && !knowsEarlier ? askingEarlier(door, about) : null
  if (!isErased) return ask
  return async (runWorkflowId) => {
    const { end, said } = (await ask?.(runWorkflowId)) ?? { end: null, said: [] }
    return { end: end ?? ERASED, said }
  }
}

/**
 * What all executions have told, this one too. Whoever ends a write believes nobody who says that it was never sent: the
 * heartbeats of an activity that somebody has ended by hand are gone, and a workflow can be made up.
 */
export function askingAll(about: AboutClaim): AskEarlier {
  const { client, info } = Context.current()
  const caller = info.workflowExecution?.workflowId ?? ''
  return (runWorkflowId = caller) => askEarlier(client, { ...about, runWorkflowId })
}

/** Histories are long: where they have nothing to tell, later attempts do not read them again. */
function askingEarlier(door: DoorDeps, about: AboutClaim): AskEarlier {
  const { client, info } = Context.current()
  const { workflowId = '', runId = '' } = info.workflowExecution ?? {}
  return async (runWorkflowId = workflowId) => {
    const earlier = await askEarlier(client, { ...about, runWorkflowId }, { workflowId, runId })
    const isNothing = earlier.end === null && claimsAmong(door, earlier.said, about).length === 0
    if (isNothing) beat({ knowsEarlier: true })
    return earlier
  }
}

/** What Temporal has been told of a write by the activities of this workflow that are not over. */
export async function findToldClaim(door: DoorDeps, about: AboutClaim): Promise<Envelope | null> {
  const { client, info } = Context.current()
  const said = info.workflowExecution ? await saidByPending(client, info.workflowExecution) : []
  return claimsAmong(door, said, about)[0]?.envelope ?? null
}
