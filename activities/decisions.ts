/**
 * Signed decisions, verified where they are used: the signature, then who the person is today. A ticket says which
 * roles its signer had; what counts are those they have now.
 */
import { loadPrincipals, type PrincipalRow } from '../db/queries/principals.ts'
import type { Queryable } from '../db/database.ts'
import { openEnvelope, type TrustedKey } from '../lib/dsse.ts'
import type { JsonValue } from '../lib/json.ts'
import { judge, type Judgement } from '../lib/quorum.ts'
import { DECISION_PAYLOAD_TYPE, DecisionSchema, type Decision } from '../schemas/decision.ts'
import type { Envelope, Requester, Requirement, Vote } from '../schemas/run.ts'

export interface Trust {
  keys: readonly TrustedKey[]
  /** `asserted`: this deployment takes people at their word, and its worker signs what they say as such. */
  identity: 'verified' | 'asserted'
}

/** Null for what no door of ours signed. A decision signed as asserted is one only where the deployment allows it. */
export function openDecision(envelope: Envelope, trust: Trust): Decision | null {
  const signed = openEnvelope(
    envelope,
    { payloadType: DECISION_PAYLOAD_TYPE, purpose: 'decision' },
    trust.keys,
  )
  const decision = DecisionSchema.safeParse(signed?.document)
  if (decision.success) return decision.data.method === 'asserted' ? null : decision.data
  if (trust.identity !== 'asserted') return null
  const asserted = openEnvelope(
    envelope,
    { payloadType: DECISION_PAYLOAD_TYPE, purpose: 'receipt' },
    trust.keys,
  )
  const word = DecisionSchema.safeParse(asserted?.document)
  return word.success && word.data.method === 'asserted' ? word.data : null
}

export interface AboutWrite {
  organization: string
  writebackId: string
  digest: string
}

/**
 * Those of the envelopes that are real and about exactly this write, as votes, in the order in which they were cast. Of
 * two with one decision id the first counts: what is recorded comes first, and nothing handed in may replace it.
 */
export async function votesOf(
  db: Queryable,
  trust: Trust,
  about: AboutWrite,
  envelopes: readonly Envelope[],
): Promise<{ vote: Vote; envelope: Envelope }[]> {
  const decisions = new Map<string, { decision: Decision; envelope: Envelope }>()
  for (const envelope of envelopes) {
    const decision = openDecision(envelope, trust)
    if (!decision || !isAbout(decision, about) || decisions.has(decision.decisionId)) continue
    decisions.set(decision.decisionId, { decision, envelope })
  }
  if (decisions.size === 0) return []
  const ids = [...new Set([...decisions.values()].map(({ decision }) => decision.principal))]
  const people = new Map(
    (await loadPrincipals(db, { organization: about.organization, ids })).map((row) => [row.id, row]),
  )
  return [...decisions.values()]
    .flatMap(({ decision, envelope }) => {
      const person = people.get(decision.principal)
      return person ? [{ vote: toVote(decision, person), envelope }] : []
    })
    .sort((a, b) => (a.vote.at < b.vote.at ? -1 : a.vote.at > b.vote.at ? 1 : 0))
}

export function toVote(decision: Decision, person: PrincipalRow): Vote {
  const { decisionId, digest, verdict, method, channel, at, comment, answer } = decision
  return {
    decisionId,
    digest,
    verdict,
    principal: person.id,
    kind: person.kind,
    roles: person.roles,
    method,
    channel,
    at,
    comment,
    ...(answer === undefined ? {} : { answer: answer as JsonValue }),
  }
}

function isAbout(decision: Decision, about: AboutWrite): boolean {
  return (
    decision.organization === about.organization &&
    decision.writebackId === about.writebackId &&
    decision.digest === about.digest
  )
}

/**
 * The judgement that stands now. An approval that was complete longer ago than `validForMs` has lapsed with all its
 * votes; what people have said since then counts alone.
 */
export function standingJudgement(
  requirement: Requirement,
  requester: Requester,
  votes: readonly Vote[],
  nowMs: number,
): { judgement: Judgement; counted: Vote[] } {
  let counted = [...votes]
  for (;;) {
    const judgement = judge(requirement, requester, counted)
    if (judgement.state !== 'approved') return { judgement, counted }
    const { lastVoteAt } = judgement
    if (nowMs - Date.parse(lastVoteAt) <= requirement.validForMs) return { judgement, counted }
    counted = counted.filter((vote) => vote.at > lastVoteAt)
  }
}
