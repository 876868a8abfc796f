/** Messages of the workflows, and the hand-written guards for what comes in: anybody with the Temporal CLI can send one. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import { LIMITS, MAX_TICKET_LENGTH, utf8Bytes } from '../lib/limits.ts'
import { MESSAGES } from '../schemas/names.ts'
import type { DecisionAnswer, DecisionMessage, Envelope, ResolutionAnswer, Verdict } from '../schemas/run.ts'

export const approveSignal = defineSignal<[unknown]>(MESSAGES.approveSignal)
export const rejectSignal = defineSignal<[unknown]>(MESSAGES.rejectSignal)
export const answerSignal = defineSignal<[unknown]>(MESSAGES.answerSignal)
export const decideUpdate = defineUpdate<DecisionAnswer, [unknown]>(MESSAGES.decideUpdate)
export const resolveSignal = defineSignal<[unknown]>(MESSAGES.resolveSignal)
export const resolveUpdate = defineUpdate<ResolutionAnswer, [unknown]>(MESSAGES.resolveUpdate)
export const getRunQuery = defineQuery<unknown>(MESSAGES.getRunQuery)
export const getWritebackQuery = defineQuery<unknown>(MESSAGES.getWritebackQuery)
export const getApprovalQuery = defineQuery<unknown>(MESSAGES.getApprovalQuery)

export const SIGNAL_DESCRIPTION = {
  approve: 'Approve the write. Input: {"ticket": …} as printed by `countersign approve ID --ticket`.',
  reject: 'Reject the write. Input: {"ticket": …} as printed by `countersign reject ID --ticket`.',
} as const

const WORD_FIELDS = new Set(['by', 'digest', 'comment', 'verdict'])
const MAX_TEXT_LENGTH = 4_096

/** Null if it is neither a ticket nor somebody's word. */
export function decisionMessageOf(verdict: Verdict, raw: unknown): DecisionMessage | null {
  if (!isRecord(raw)) return null
  const { ticket, by, digest, comment } = raw
  if (isEnvelope(ticket)) return { verdict, ticket }
  // Whoever says `reject` in a message named `approve` has not approved.
  if (raw['verdict'] !== undefined && raw['verdict'] !== verdict) return null
  // A field that nobody reads could be the one that says no.
  if (Object.keys(raw).some((key) => !WORD_FIELDS.has(key))) return null
  // A digest that cannot be read is not the same as none: who sends one means exactly that write.
  if (!isText(by) || (digest !== undefined && !isText(digest))) return null
  // Half of what somebody said would be something else.
  if (typeof comment === 'string' && utf8Bytes(comment) > LIMITS.commentBytes) return null
  return {
    verdict,
    asserted: { by, ...(digest === undefined ? {} : { digest }), ...(isText(comment) ? { comment } : {}) },
  }
}

/** Null if the message carries none. */
export function ticketOf(raw: unknown): Envelope | null {
  const ticket = isRecord(raw) ? raw['ticket'] : undefined
  return isEnvelope(ticket) ? ticket : null
}

/** Of an update, which says the verdict itself. */
export function verdictOf(raw: unknown): Verdict | null {
  const verdict = isRecord(raw) ? raw['verdict'] : undefined
  return verdict === 'approve' || verdict === 'reject' ? verdict : null
}

function isEnvelope(value: unknown): value is Envelope {
  if (!isRecord(value)) return false
  const { payloadType, payload, signatures } = value
  if (typeof payloadType !== 'string' || typeof payload !== 'string' || payload.length > MAX_TICKET_LENGTH)
    return false
  return (
    Array.isArray(signatures) &&
    signatures.length > 0 &&
    signatures.length <= 4 &&
    signatures.every(isSignature)
  )
}

function isSignature(value: unknown): boolean {
  return isRecord(value) && isText(value['keyid']) && isText(value['sig'])
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT_LENGTH
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
