/**
 * What is known of an attempt that has sent and cannot say what became of it. Its words go to the next attempt by the
 * heartbeat, signed like a claim: they will stand in a receipt. Where the target has answered with an error, it is done
 * with the attempt, so a look may tell at once what was done.
 */
import type { WritebackRow } from '../db/queries/writebacks.ts'
import { openEnvelope, signEnvelope } from '../lib/dsse.ts'
import { LOST_ANSWER_PAYLOAD_TYPE, LostAnswerSchema, type LostAnswer } from '../schemas/claim.ts'
import { EnvelopeSchema } from '../schemas/decision.ts'
import type { Envelope } from '../schemas/run.ts'
import type { DoorDeps, Passage } from './door.ts'
import type { Answer, CheckAnswer } from './executors/executor.ts'

type Lost = Extract<Answer, { kind: 'lost' }>

/** Tells what the next attempt will say of this one. Should that fail, only words are missing. */
export async function tellLost(
  { signingKey }: Pick<DoorDeps, 'signingKey'>,
  { witness }: Pick<Passage, 'witness'>,
  claimed: WritebackRow,
  { error, isAnswered }: Lost,
): Promise<void> {
  const { organization, writeback_id: writebackId, attempt } = claimed
  const { code, message: words } = error
  const lost: LostAnswer = { organization, writebackId, attempt, code, words, isAnswered }
  await witness.tellLost(signEnvelope(LOST_ANSWER_PAYLOAD_TYPE, lost, signingKey)).catch(() => undefined)
}

/** Null if the last attempt has told nothing, or if no worker of ours has signed it. */
export function lostAnswerOf(
  { trust }: Pick<DoorDeps, 'trust'>,
  { witness }: Pick<Passage, 'witness'>,
  row: WritebackRow,
): LostAnswer | null {
  const { organization, writeback_id: writebackId, attempt } = row
  for (const said of witness.said) {
    const envelope = EnvelopeSchema.safeParse(lostIn(said))
    const lost = envelope.success ? openLost(trust.keys, envelope.data) : null
    const isAbout = lost?.organization === organization && lost.writebackId === writebackId
    if (lost && isAbout && lost.attempt === attempt) return lost
  }
  return null
}

function lostIn(said: unknown): unknown {
  return typeof said === 'object' && said !== null && 'lost' in said ? said.lost : undefined
}

function openLost(keys: DoorDeps['trust']['keys'], envelope: Envelope): LostAnswer | null {
  const expected = { payloadType: LOST_ANSWER_PAYLOAD_TYPE, purpose: 'receipt' } as const
  return LostAnswerSchema.safeParse(openEnvelope(envelope, expected, keys)?.document).data ?? null
}

/** The sentence about an attempt without an answer, with what it has told. */
export function inWords(row: WritebackRow, lost: LostAnswer | null): string {
  const { attempt, plan } = row
  if (lost === null) return `the answer to attempt ${attempt} is lost; look at ${plan.target}`
  const what = lost.isAnswered ? 'says nothing of what was done' : 'is lost'
  return `the answer to attempt ${attempt} ${what} (${lost.words}); look at ${plan.target}`
}

/**
 * A look for an attempt that is our own, and over. Only a yes counts so soon: a no is looked at again when nothing of the
 * attempt can be late any more.
 */
export async function lookAtOnce(
  { executor, operation, resolved, signal }: Pick<Passage, 'executor' | 'operation' | 'resolved' | 'signal'>,
  { idempotency_key: key, digest }: WritebackRow,
  deadlineAtMs: number,
): Promise<Extract<CheckAnswer, { kind: 'applied' }> | null> {
  try {
    const { destination } = resolved
    const seen = await executor.check(operation, { key, digest, destination, deadlineAtMs, signal })
    return seen?.kind === 'applied' ? seen : null
  } catch {
    return null
  }
}
