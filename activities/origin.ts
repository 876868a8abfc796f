/**
 * Where a call comes from, as our own records say. Whoever can reach the Temporal namespace can start a workflow with
 * any input, so a write counts only if a delivery of ours started the run, with this revision, and the revision has
 * such a step.
 */
import type { DeliveredRun, OriginRow } from '../db/queries/deliveries.ts'
import { CodedError } from '../schemas/errors.ts'
import type { StepManifest } from '../schemas/manifests.ts'
import type { AskStepManifest } from '../schemas/steps.ts'
import type { Call, Origin, Requester } from '../schemas/run.ts'
import { findStep } from '../schemas/step-tree.ts'

export interface VerifiedOrigin {
  requester: Requester
  runWorkflowId: string
  /** Hash of the tool's definition when the revision was saved; null for what has none. */
  pinnedDefinitionSha256: string | null
}

/** Throws UNKNOWN_ORIGIN. */
export function verifyOrigin(call: Call, row: OriginRow | undefined): VerifiedOrigin {
  const { origin } = call
  const what = `${call.connection}.${call.operation} at ${origin.path}`
  const { run, requester, spec, pins } = verifyRun(origin, row, what)
  const step = findStep(spec?.steps ?? [], origin.path)
  if (!step || !callsTheSame(step, call)) throw noSuchStep(origin, what, 'call')
  return {
    requester,
    runWorkflowId: run.workflowId,
    pinnedDefinitionSha256: pins?.[`${call.connection}/${call.operation}`] ?? null,
  }
}

/** The run that starts another one with its step. Throws UNKNOWN_ORIGIN. */
export function verifySubRunOrigin(
  origin: Origin,
  automation: string,
  row: OriginRow | undefined,
): { run: DeliveredRun; requester: Requester } {
  const what = `run of ${automation} at ${origin.path}`
  const { run, requester, spec } = verifyRun(origin, row, what)
  const step = findStep(spec?.steps ?? [], origin.path)
  if (step && 'run_automation' in step && step.run_automation.automation === automation) {
    return { run, requester }
  }
  throw noSuchStep(origin, what, 'sub-run')
}

/** The question that a step of the run asks. Throws UNKNOWN_ORIGIN. */
export function verifyAskOrigin(
  origin: Origin,
  row: OriginRow | undefined,
): { ask: AskStepManifest['ask']; requester: Requester } {
  const what = `question at ${origin.path}`
  const { requester, spec } = verifyRun(origin, row, what)
  const step = findStep(spec?.steps ?? [], origin.path)
  if (step && 'ask' in step) return { ask: step.ask, requester }
  throw noSuchStep(origin, what, 'question')
}

function verifyRun(
  origin: Origin,
  row: OriginRow | undefined,
  what: string,
): OriginRow & { run: DeliveredRun } {
  const run = row?.runs.find((candidate) => candidate.runId === origin.runId)
  if (!row || !run) throw unknownOrigin(what, 'no delivery of ours started this run')
  if (run.automation === origin.automation && run.revision === origin.revision) return { ...row, run }
  throw unknownOrigin(what, `the run was started with ${run.automation} revision ${run.revision}`)
}

export function callsTheSame(step: StepManifest, call: Pick<Call, 'connection' | 'operation'>): boolean {
  if ('tool_call' in step) {
    return step.tool_call.connection === call.connection && step.tool_call.tool === call.operation
  }
  if (!('writeback' in step)) return false
  const { connection, ...operations } = step.writeback
  return connection === call.connection && Object.hasOwn(operations, call.operation)
}

function noSuchStep(origin: Origin, what: string, kind: string): CodedError {
  const { automation, revision, path } = origin
  return unknownOrigin(what, `${automation} revision ${revision} has no such ${kind} at ${path}`)
}

function unknownOrigin(what: string, why: string): CodedError {
  return new CodedError('UNKNOWN_ORIGIN', `${what}: ${why}`)
}
