/**
 * Where a call comes from, as our own records say. Whoever can reach the Temporal namespace can start a workflow with
 * any input, so a write counts only if a delivery of ours started the run, with this revision, and the revision has
 * such a step.
 */
import type { OriginRow } from '../db/queries/deliveries.ts'
import { CodedError } from '../schemas/errors.ts'
import type { StepManifest } from '../schemas/manifests.ts'
import type { Call, Requester } from '../schemas/run.ts'

export interface VerifiedOrigin {
  requester: Requester
  runWorkflowId: string
  /** Hash of the tool's definition when the revision was saved; null for what has none. */
  pinnedDefinitionSha256: string | null
}

/** Throws UNKNOWN_ORIGIN. */
export function verifyOrigin(call: Call, row: OriginRow | undefined): VerifiedOrigin {
  const { origin } = call
  const run = row?.runs.find((candidate) => candidate.runId === origin.runId)
  if (!row || !run) throw unknownOrigin(call, 'no delivery of ours started this run')
  if (run.automation !== origin.automation || run.revision !== origin.revision) {
    throw unknownOrigin(call, `the run was started with ${run.automation} revision ${run.revision}`)
  }
  const step = row.spec?.steps.find((candidate) => candidate.name === topLevelName(origin.path))
  if (!step || !callsTheSame(step, call)) {
    throw unknownOrigin(
      call,
      `${origin.automation} revision ${origin.revision} has no such call at ${origin.path}`,
    )
  }
  return {
    requester: row.requester,
    runWorkflowId: run.workflowId,
    pinnedDefinitionSha256: row.pins?.[`${call.connection}/${call.operation}`] ?? null,
  }
}

function callsTheSame(step: StepManifest, call: Call): boolean {
  if ('tool_call' in step) {
    return step.tool_call.connection === call.connection && step.tool_call.tool === call.operation
  }
  if (!('writeback' in step)) return false
  const { connection, ...operations } = step.writeback
  return connection === call.connection && Object.hasOwn(operations, call.operation)
}

function topLevelName(path: string): string {
  return path.split(/[.[]/, 1)[0] ?? path
}

function unknownOrigin(call: Call, why: string): CodedError {
  return new CodedError(
    'UNKNOWN_ORIGIN',
    `${call.connection}.${call.operation} at ${call.origin.path}: ${why}`,
  )
}
