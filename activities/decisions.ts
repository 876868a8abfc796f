/**
 * Signed decisions, verified where they are used: the signature, then who the person is today. A ticket says which
 * roles its signer had; what counts are those of them that they still have.
 */
import { loadPrincipals, type PrincipalRow } from '../db/queries/principals.ts'
import { isInUse, openEnvelope, type TrustedKey } from '../lib/dsse.ts'
import type { JsonValue } from '../lib/json.ts'
import { judge, type Judgement } from '../lib/quorum.ts'
import { DECISION_PAYLOAD_TYPE, DecisionSchema, EnvelopeSchema, type Decision } from '../schemas/decision.ts'
import type { Envelope, Requester, Requirement, Vote } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'

export interface Trust {
  keys: readonly TrustedKey[]
  /** `asserted`: this deployment takes people at their word, and its worker signs what they say as such. */
  identity: 'verified' | 'asserted'
}

/** Clocks of our own processes differ by less. A vote of tomorrow would keep an approval valid for a day too long. */
export const CLOCK_TOLERANCE_MS = 60_000

/** Whether a document is dated later than one of our clocks could have said. */
export function isAhead({ at }: { at: string }, nowMs: number): boolean {
  return Date.parse(at) > nowMs + CLOCK_TOLERANCE_MS
}

/**
 * Null for what no door of ours signed with a key that is in use, and for what is dated ahead. A decision signed as
 * asserted is one only where the deployment allows it.
 */
export function openDecision(envelope: Envelope, trust: Trust, nowMs: number): Decision | null {
  const decision = openSigned(envelope, trust)
  return decision === null || isAhead(decision, nowMs) ? null : decision
}

/** Why a ticket is none, for whoever has sent it. */
export function whyUnverified(envelope: unknown, { keys }: Trust): string {
  const { data } = EnvelopeSchema.safeParse(envelope)
  const named = data?.signatures.map(({ keyid }) => keyid) ?? []
  const retired = keys.find((key) => named.includes(key.keyId) && !isInUse(key))
  if (!retired) return 'no door of this deployment signed this ticket, or it is dated ahead of our clock'
  return `key ${retired.keyId}, which signed this ticket, was retired at ${retired.retiredAt}: decide anew`
}

function openSigned(envelope: Envelope, trust: Trust): Decision | null {
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
  { database, trust, nowMs }: Pick<DoorDeps, 'database' | 'trust' | 'nowMs'>,
  about: AboutWrite,
  envelopes: readonly Envelope[],
): Promise<{ vote: Vote; envelope: Envelope }[]> {
  const decisions = new Map<string, { decision: Decision; envelope: Envelope }>()
  for (const envelope of envelopes) {
    const decision = openDecision(envelope, trust, nowMs())
    if (!decision || !isAbout(decision, about) || decisions.has(decision.decisionId)) continue
    decisions.set(decision.decisionId, { decision, envelope })
  }
  if (decisions.size === 0) return []
  const ids = [...new Set([...decisions.values()].map(({ decision }) => decision.principal))]
  const people = new Map(
    (await loadPrincipals(database, { organization: about.organization, ids })).map((row) => [row.id, row]),
  )
  return [...decisions.values()]
    .flatMap(({ decision, envelope }) => {
      const person = people.get(decision.principal)
      return person ? [{ vote: toVote(decision, person), envelope }] : []
    })
    .sort((a, b) => (a.vote.at < b.vote.at ? -1 : a.vote.at > b.vote.at ? 1 : 0))
}

/** A role that was given after the decision does not make it count: nobody decides in advance for a role to come. */
export function rolesAtBothTimes(
  { roles: then }: { roles: readonly string[] },
  { roles: now }: { roles: readonly string[] },
): string[] {
  return now.filter((role) => then.includes(role))
}

export function toVote(decision: Decision, person: PrincipalRow): Vote {
  const { decisionId, digest, verdict, method, channel, at, comment, answer } = decision
  return {
    decisionId,
    digest,
    verdict,
    principal: person.id,
    kind: person.kind,
    roles: rolesAtBothTimes(decision, person),
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
