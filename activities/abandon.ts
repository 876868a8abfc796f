/** The end of a write that nobody waits for any more. */
import { findWriteback, type WritebackRow } from '../db/queries/writebacks.ts'
import { isErrorCode } from '../schemas/errors.ts'
import type { Envelope, NotWanted, WriteOutcome } from '../schemas/run.ts'
import type { AboutClaim } from './claims.ts'
import type { AskEarlier, DoorDeps } from './door.ts'
import { closePlanned, requireWriteback, type Conclusion } from './ledger.ts'
import { provenOutcome } from './outcomes.ts'
import { putPlanBack, recallClaim } from './recall.ts'
import { olderThanRun } from './witnesses.ts'

/** `under_way`: it was sent, and the door has to say what became of it. `never_planned`: there is nothing to end. */
export type Abandoned =
  { kind: 'ended'; outcome: WriteOutcome } | { kind: 'under_way' } | { kind: 'never_planned' }

export interface Abandoning extends AboutClaim, NotWanted {
  /** What Temporal was told of the attempt that went before, should the ledger have forgotten it. */
  claim?: Envelope | undefined
}

/**
 * Ends a write that still waits: nobody decided in time, or whoever asked for it took it back. Anybody who can start
 * workflows can do the latter, so that the time was really over is checked here. What knows of a sending that the row
 * does not know is asked first: `earlier`, of a run that was reset, and the claim.
 */
export async function abandonWriteback(
  deps: DoorDeps,
  { because, failedWith, claim, ...about }: Abandoning,
  askEarlier: AskEarlier | null = null,
): Promise<Abandoned> {
  const found = await findWriteback(deps.database, about)
  if (found?.outcome) return { kind: 'ended', outcome: await provenOutcome(deps, found, found.outcome) }
  if (found?.state === 'sending') {
    await putPlanBack(deps, [{ claim }], found)
    return { kind: 'under_way' }
  }
  const earlier = await askEarlier?.(found?.run_workflow_id)
  const said = [{ claim }, ...(earlier?.said ?? [])]
  if (await recallClaim(deps, said, about, found ?? null)) return afterRecall(deps, about)
  if (!found) return { kind: 'never_planned' }
  const end = earlier?.end ?? null
  const conclusion =
    end === null ? neverSent(deps, found, { because, failedWith }) : olderThanRun(end, found.plan.target)
  return { kind: 'ended', outcome: await closePlanned(deps, found, conclusion) }
}

/** The row has the claim again, or somebody has closed it meanwhile. */
async function afterRecall(deps: DoorDeps, { organization, writebackId }: AboutClaim): Promise<Abandoned> {
  const row = await requireWriteback(deps, organization, writebackId)
  if (!row.outcome) return { kind: 'under_way' }
  return { kind: 'ended', outcome: await provenOutcome(deps, row, row.outcome) }
}

function neverSent({ nowMs }: DoorDeps, row: WritebackRow, { because, failedWith }: NotWanted): Conclusion {
  const dueAtMs = Date.parse(row.created_at) + (row.requirement?.expiresAfterMs ?? Infinity)
  if (because === 'withdrawn')
    return { status: 'withdrawn', code: 'WITHDRAWN', message: withdrawnBy(failedWith) }
  return nowMs() >= dueAtMs
    ? { status: 'expired', code: 'EXPIRED', message: 'nobody decided in time' }
    : { status: 'withdrawn', code: 'WITHDRAWN', message: 'the wait ended before its time was over' }
}

/** It is signed, and anybody can start workflows: of their words, a code of the table is all that is repeated. */
function withdrawnBy(failedWith: string | undefined): string {
  if (failedWith === undefined) return 'the run was cancelled, or the time of the step was over'
  const code = isErrorCode(failedWith) ? failedWith : 'STEP_FAILED'
  return `what asked for it has failed with ${code}, and it was never sent`
}
