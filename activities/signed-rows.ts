/**
 * What a worker has signed of a row, in the row. Whoever may write to the ledger can say of a write that it was planned,
 * and that it was never sent; but nothing is signed and nothing is sent again on the word of a row alone.
 */
import type { NewWriteback, WritebackRow } from '../db/queries/writebacks.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { openEnvelope, openEvidence, signEnvelope } from '../lib/dsse.ts'
import {
  PLAN_PAYLOAD_TYPE,
  RELEASE_PAYLOAD_TYPE,
  ReleaseSchema,
  SignedPlanSchema,
  type Claim,
} from '../schemas/claim.ts'
import { KeptEnvelopeSchema } from '../schemas/decision.ts'
import { CodedError } from '../schemas/errors.ts'
import type { Envelope } from '../schemas/run.ts'
import type { DoorDeps } from './door.ts'

type Signing = Pick<DoorDeps, 'signingKey'>
type Trusting = Pick<DoorDeps, 'trust'>

/** Of a claim that surely changed nothing; `row`: as it has left it. All claims before that one are given up with it. */
export function signRelease({ signingKey }: Signing, row: WritebackRow): Envelope {
  const { organization, writeback_id: writebackId, digest, updated_at: claimedAt } = row
  return signEnvelope(RELEASE_PAYLOAD_TYPE, { organization, writebackId, digest, claimedAt }, signingKey)
}

/** It lets something happen, so that a key which was retired does not count. */
export function isReleased(
  { trust }: Trusting,
  { signed_release: kept }: WritebackRow,
  { organization, writebackId, digest, claimedAt }: Claim,
): boolean {
  const envelope = KeptEnvelopeSchema.safeParse(kept)
  if (!envelope.success) return false
  const expected = { payloadType: RELEASE_PAYLOAD_TYPE, purpose: 'receipt' } as const
  const release = ReleaseSchema.safeParse(openEnvelope(envelope.data, expected, trust.keys)?.document)
  return (
    release.success &&
    release.data.organization === organization &&
    release.data.writebackId === writebackId &&
    release.data.digest === digest &&
    Date.parse(release.data.claimedAt) >= Date.parse(claimedAt)
  )
}

export function signPlan(
  { signingKey, nowMs }: Signing & Pick<DoorDeps, 'nowMs'>,
  planned: Omit<NewWriteback, 'signedPlan'>,
): Envelope {
  const { organization, origin, runWorkflowId, idempotencyKey, ...rest } = planned
  const { writebackId, runId, automation, revision, path } = origin
  const names = { writeback_id: writebackId, run_id: runId, run_workflow_id: runWorkflowId }
  const row = { ...rest, ...names, organization, automation, revision, path, idempotency_key: idempotencyKey }
  const plannedAt = new Date(nowMs()).toISOString()
  return signEnvelope(
    PLAN_PAYLOAD_TYPE,
    { organization, writebackId, sha256: lastingDigest(row), plannedAt },
    signingKey,
  )
}

const LASTING = [
  'organization',
  'writeback_id',
  'run_id',
  'run_workflow_id',
  'automation',
  'revision',
  'path',
  'connection',
  'operation',
  'executor',
  'digest',
  'idempotency_key',
  'requester',
  'plan',
  'preview',
] as const

/** Of what a row keeps from its plan to its end, and receipts are made from. */
function lastingDigest(row: Pick<WritebackRow, (typeof LASTING)[number]>): string {
  return digestOf(Object.fromEntries(LASTING.map((column) => [column, row[column]])))
}

/** Whether a worker of ours has planned it as it is. */
export function isPlanned({ trust }: Trusting, row: WritebackRow): boolean {
  const envelope = KeptEnvelopeSchema.safeParse(row.signed_plan)
  const opened = envelope.success && openEvidence(envelope.data, PLAN, trust.keys)
  const signed = SignedPlanSchema.safeParse(opened ? opened.document : null)
  return signed.success && signed.data.sha256 === lastingDigest(row)
}

/** Throws WRITE_NOT_AUTHORISED. */
export function assertPlanned(deps: Trusting, row: WritebackRow): void {
  if (isPlanned(deps, row)) return
  const detail = `${row.writeback_id}: no worker has planned it as the ledger has it`
  throw new CodedError('WRITE_NOT_AUTHORISED', detail)
}

const PLAN = {
  payloadType: PLAN_PAYLOAD_TYPE,
  purpose: 'receipt',
  datedAt: (document: unknown) => [SignedPlanSchema.safeParse(document).data?.plannedAt],
} as const
