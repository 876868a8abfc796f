/**
 * What a run says about the chain of its receipts: how many there are, and the digest of the last. It goes along with
 * the run's result, as metadata of the payload, and with its failure, as a detail: so it costs no event, leaves the
 * output as it is, and whoever can change the database cannot change it.
 */
import { defaultPayloadConverter, RawValue } from '@temporalio/common'
import type { JsonValue } from '../lib/json.ts'
import { RECEIPTS_METADATA_KEY } from '../schemas/names.ts'
import type { ReadOutcome, ReceiptsHead, WriteOutcome } from '../schemas/run.ts'

/** Numbers have no gaps and an outcome's receipt is the last of its write, so the highest number seen is the count. */
export function laterHead(
  head: ReceiptsHead | null,
  outcome: ReadOutcome | WriteOutcome,
): ReceiptsHead | null {
  if (outcome.kind === 'read') return head
  const { seq, sha256 } = outcome.receipt
  return head && head.count >= seq ? head : { count: seq, sha256 }
}

/** What a workflow returns: to everybody who reads the result it is just the output. */
export function withHead(output: JsonValue, head: ReceiptsHead | null): JsonValue {
  if (!head) return output
  const payload = defaultPayloadConverter.toPayload(output)
  const bytes = defaultPayloadConverter.toPayload(head).data
  if (!bytes) return output
  const metadata = { ...payload.metadata, [RECEIPTS_METADATA_KEY]: bytes }
  return RawValue.fromPayload({ ...payload, metadata }) as unknown as JsonValue
}
