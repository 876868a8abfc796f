/** Named values for tests, each valid as it is; a test changes what it is about. */
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import type { JudgedBy, NewWriteback } from '../../db/queries/writebacks.ts'
import { signEnvelope, type SigningKey, type TrustedKey } from '../../lib/dsse.ts'
import { keyIdOf } from '../../lib/keys.ts'
import { DECISION_PAYLOAD_TYPE, type Decision } from '../../schemas/decision.ts'
import type {
  Call,
  Envelope,
  Origin,
  PendingWrite,
  Preview,
  Requester,
  Requirement,
  Vote,
  WriteOutcome,
} from '../../schemas/run.ts'

export const ORGANIZATION = 'acme'
export const DIGEST = 'd'.repeat(64)
export const OTHER_DIGEST = 'e'.repeat(64)
export const WRITEBACK_ID = 'wb_1.waive.1'
/** A Thursday; tests count minutes from here. */
export const NOON_MS = Date.parse('2026-10-01T12:00:00.000Z')

export function at(minutes: number): string {
  return new Date(NOON_MS + minutes * 60_000).toISOString()
}

/** In a database without connections and policies. */
export const BY_NOTHING: JudgedBy = { connection: 0, policies: {} }

export function requester(over: Partial<Requester> = {}): Requester {
  return { principal: 'connection/billing', kind: 'service', onBehalfOf: [], ...over }
}

export function requirement(over: Partial<Requirement> = {}): Requirement {
  return {
    policy: 'money',
    rule: 'waivers',
    stages: [{ roles: ['finance'], people: [], quorum: 1 }],
    anyRejectEnds: true,
    selfApproval: false,
    identity: 'any',
    expiresAfterMs: 72 * 3_600_000,
    validForMs: 3_600_000,
    ...over,
  }
}

export function preview(over: Partial<Preview> = {}): Preview {
  return {
    executor: 'sql',
    connection: 'billing',
    operation: 'update',
    target: 'billing/invoices/id=7',
    changes: [{ field: 'late_fee_cents', before: 4200, after: 0 }],
    guard: 'atomic',
    ...over,
  }
}

export function pendingWrite(over: Partial<PendingWrite> = {}): PendingWrite {
  return {
    writebackId: WRITEBACK_ID,
    digest: DIGEST,
    requirement: requirement(),
    requester: requester(),
    preview: preview(),
    ...over,
  }
}

/** Different people have different decisions; `alice` of finance approves unless told otherwise. */
export function vote(over: Partial<Vote> = {}): Vote {
  const principal = over.principal ?? 'alice@example.org'
  return {
    decisionId: `dec_${principal}_${over.verdict ?? 'approve'}_${over.at ?? ''}`,
    digest: DIGEST,
    verdict: 'approve',
    principal,
    kind: 'person',
    roles: ['finance'],
    method: 'api_key',
    channel: 'cli',
    at: at(0),
    comment: '',
    ...over,
  }
}

export function origin(over: Partial<Origin> = {}): Origin {
  return {
    deliveryId: 'dlv_1',
    runId: 'run_1',
    automation: 'late-fee',
    revision: 3,
    path: 'waive',
    writebackId: WRITEBACK_ID,
    ...over,
  }
}

export function call(over: Partial<Call> = {}): Call {
  return {
    organization: ORGANIZATION,
    connection: 'billing',
    operation: 'update',
    arguments: { table: 'invoices', key: { id: 7 }, guard: {}, set: { late_fee_cents: 0 } },
    raisedToWrite: true,
    timeoutMs: 3_600_000,
    origin: origin(),
    ...over,
  }
}

/** A write that no other test has. */
export function newWriteback(over: Partial<NewWriteback> = {}): NewWriteback {
  const writebackId = `wb_${randomUUID()}.waive.1`
  return {
    organization: ORGANIZATION,
    origin: origin({ writebackId, runId: `run_${randomUUID()}` }),
    runWorkflowId: 'run/acme/late-fee/dlv_1',
    connection: 'billing',
    operation: 'update',
    executor: 'sql',
    digest: DIGEST,
    idempotencyKey: `csk_${writebackId}`,
    requester: requester(),
    plan: {
      endpoint: {},
      target: 'billing/invoices/id=7',
      arguments: {},
      stored: null,
      preconditions: {},
      definitionSha256: null,
    },
    requirement: null,
    preview: preview(),
    signedPlan: null,
    ...over,
  }
}

export function outcome(writebackId: string, over: Partial<WriteOutcome> = {}): WriteOutcome {
  const receipt = { id: 'rcp_1', seq: 1, sha256: 'a'.repeat(64) }
  return { kind: 'write', status: 'applied', writebackId, output: null, receipt, ...over }
}

export interface TestKeys {
  decision: SigningKey
  receipt: SigningKey
  trusted: TrustedKey[]
}

export function makeKeys(): TestKeys {
  const decision = makeKey('decision')
  const receipt = makeKey('receipt')
  return {
    decision: decision.signing,
    receipt: receipt.signing,
    trusted: [decision.trusted, receipt.trusted],
  }
}

function makeKey(purpose: TrustedKey['purpose']): { signing: SigningKey; trusted: TrustedKey } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const keyId = keyIdOf(publicKey)
  return { signing: { keyId, privateKey }, trusted: { keyId, purpose, publicKey } }
}

export function decision(over: Partial<Decision> = {}): Decision {
  return {
    decisionId: `dec_${randomUUID().replaceAll('-', '')}`,
    organization: ORGANIZATION,
    writebackId: WRITEBACK_ID,
    digest: DIGEST,
    verdict: 'approve',
    principal: 'alice@example.org',
    roles: ['finance'],
    method: 'api_key',
    channel: 'cli',
    at: at(0),
    comment: '',
    ...over,
  }
}

export function signedDecision(document: Decision, key: SigningKey): Envelope {
  return signEnvelope(DECISION_PAYLOAD_TYPE, document, key)
}

/** Numbers in [0, 1) that follow from the seed alone, so that a failing test fails again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
