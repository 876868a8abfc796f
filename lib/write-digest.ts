/**
 * The digest of a write: everything that people see and approve, in one number. The door computes it from the call when
 * the write is planned and again when it is applied; the API from the ledger before it signs. All three must agree.
 */
import type { Preview, Requester } from '../schemas/run.ts'
import { digestOf } from './canonical-json.ts'
import type { JsonValue } from './json.ts'

export interface WriteFacts {
  organization: string
  writebackId: string
  executor: string
  endpoint: JsonValue
  target: string
  connection: string
  operation: string
  arguments: JsonValue
  /** What the target stores for them; null where it says nothing beforehand. */
  stored: JsonValue
  preconditions: JsonValue
  preview: Preview
  definitionSha256: string | null
  automation: string
  revision: number
  requester: Requester
}

/** 64 hex digits. Takes what is listed above and nothing else that an object may carry besides. */
export function writeDigest(facts: WriteFacts): string {
  const { organization, writebackId, executor, endpoint, target, connection, operation, preconditions } =
    facts
  const { preview, definitionSha256, automation, revision, requester } = facts
  return digestOf({
    organization,
    writebackId,
    executor,
    endpoint,
    target,
    connection,
    operation,
    arguments: facts.arguments,
    stored: facts.stored,
    preconditions,
    preview,
    definitionSha256,
    automation,
    revision,
    requester,
  })
}
