/**
 * Is this write authorised, now? Signatures are verified, principals and roles looked up, and the requirement is the
 * one that policy asks for today. Recorded decisions count besides those handed in, so that nobody can leave a
 * rejection out.
 */
import { inTransaction } from '../db/database.ts'
import { listDecisionsAndVetoes } from '../db/queries/approvals.ts'
import { updateRequirement, type WritebackRow } from '../db/queries/writebacks.ts'
import { canonicalJson } from '../lib/canonical-json.ts'
import { whomText } from '../lib/whom.ts'
import { ineligibility, type Judgement } from '../lib/quorum.ts'
import { Stopwatch } from '../lib/stopwatch.ts'
import type { Envelope, PerformResult, Requester, Requirement, Vote } from '../schemas/run.ts'
import { recordSigned } from './approvals.ts'
import { openDecision, standingJudgement, votesOf } from './decisions.ts'
import { closePlanned } from './ledger.ts'
import type { DoorDeps } from './door.ts'

export interface AuthorisationFacts {
  rule: string
  decisions: string[]
}

/** What lets a write be sent. */
export interface Authorisation {
  facts: AuthorisationFacts
  /** Epoch ms: from then on it lets nothing begin. */
  lapsesAtMs: number
  /** Since before it was looked at. */
  sinceJudged: Stopwatch
}

export interface WriteJudgement extends Authorisation {
  judgement: Judgement
  /** What counted, and what still counts if more is needed. */
  counted: { vote: Vote; envelope: Envelope }[]
  /** Rejections that were given, and that no approval has recorded. */
  vetoes: Envelope[]
}

/** By policy alone, which asks nobody. */
export function allowedBy(rule: string): Authorisation {
  return { facts: { rule, decisions: [] }, lapsesAtMs: Infinity, sinceJudged: new Stopwatch() }
}

/** An approval is as old as it is now, also for a write under way: when that was claimed is the word of a row. */
export async function judgeWrite(
  deps: DoorDeps,
  row: WritebackRow,
  requirement: Requirement,
  decisions: readonly Envelope[],
): Promise<WriteJudgement> {
  const sinceJudged = new Stopwatch()
  const about = { organization: row.organization, writebackId: row.writeback_id, digest: row.digest }
  const { recorded, vetoes } = await listDecisionsAndVetoes(deps.database, about)
  const known = await votesOf(deps, about, [...recorded, ...vetoes, ...decisions])
  const cast = known.filter(
    ({ vote, envelope }) => !vetoes.includes(envelope) || isVeto(requirement, row.requester, vote),
  )
  const votes = cast.map(({ vote }) => vote)
  const { judgement, counted } = standingJudgement(requirement, row.requester, votes, deps.nowMs())
  const facts = {
    rule: `${requirement.policy}/${requirement.rule}`,
    decisions: counted.map(({ decisionId }) => decisionId),
  }
  const lapsesAtMs =
    judgement.state === 'approved' ? Date.parse(judgement.lastVoteAt) + requirement.validForMs : 0
  const countedVotes = cast.filter(({ vote }) => counted.includes(vote))
  return { judgement, counted: countedVotes, vetoes, facts, lapsesAtMs, sinceJudged }
}

/**
 * Whether a decision that was given, and that no approval has recorded, holds the write. A rejection does, whatever became
 * of it on its way; an approval never lets anything pass that way.
 */
function isVeto(requirement: Requirement, requester: Requester, vote: Vote): boolean {
  const { anyRejectEnds } = requirement
  return anyRejectEnds && vote.verdict === 'reject' && ineligibility(requirement, requester, vote) === null
}

export async function refuseRejected(
  deps: DoorDeps,
  row: WritebackRow,
  judged: WriteJudgement,
  by: Vote,
): Promise<PerformResult> {
  await recordVeto(deps, row, judged, by)
  const message = `${by.principal} rejected it${by.comment ? `: ${by.comment}` : ''}`
  const conclusion = { status: 'rejected' as const, code: 'REJECTED' as const, message, ...judged.facts }
  return { kind: 'done', outcome: await closePlanned(deps, row, conclusion) }
}

/** What ends a write leaves a receipt, also where no approval has seen it. */
async function recordVeto(
  deps: DoorDeps,
  row: WritebackRow,
  { counted, vetoes }: WriteJudgement,
  by: Vote,
): Promise<void> {
  const envelope = counted.find(({ vote }) => vote === by)?.envelope
  if (!envelope || !vetoes.includes(envelope)) return
  const decision = openDecision(envelope, deps.trust, deps.nowMs())
  if (!decision) return
  await inTransaction(deps.database, (tx) =>
    recordSigned(tx, deps, { decision, envelope, runId: row.run_id }),
  )
}

/** Keeps in the ledger what people are asked for now, which may be more than before. */
export async function askForApproval(
  deps: DoorDeps,
  row: WritebackRow,
  requirement: Requirement,
  judged: WriteJudgement,
): Promise<PerformResult> {
  if (!row.requirement || canonicalJson(row.requirement) !== canonicalJson(requirement)) {
    await updateRequirement(deps.database, { writebackId: row.writeback_id, requirement })
  }
  const kept = judged.counted.map(({ vote, envelope }) => ({ verdict: vote.verdict, ticket: envelope }))
  const { expiresAfterMs, stages } = requirement
  return {
    kind: 'needs_approval',
    asked: { digest: row.digest, rule: judged.facts.rule, whom: whomText(stages), expiresAfterMs },
    kept,
  }
}
