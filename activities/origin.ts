/**
 * Where a call comes from, as our own records say. Whoever can reach the Temporal namespace can start a workflow with
 * any input, so a write counts only if a delivery of ours started the run, with this revision, and the revision has
 * such a step: with these names and these literals, under the id that follows from run and step, called by the run
 * itself or by its writeback. What is left open is what the step leaves to an expression.
 */
import type { DeliveredRun, OriginRow } from '../db/queries/deliveries.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { MAX_ROUNDS } from '../lib/limits.ts'
import { templateMisfit } from '../lib/templates.ts'
import { CodedError } from '../schemas/errors.ts'
import type { StepManifest } from '../schemas/manifests.ts'
import { askIdOf, roundOf, writebackWorkflowId } from '../schemas/names.ts'
import { compileCallOf, type CallManifest } from '../schemas/plan.ts'
import type { AskStepManifest } from '../schemas/steps.ts'
import type { Asking, Call, Origin, Requester } from '../schemas/run.ts'
import { findStep } from '../schemas/step-tree.ts'

export interface VerifiedOrigin {
  requester: Requester
  runWorkflowId: string
  /** Hash of the tool's definition when the revision was saved; null for what has none. */
  pinnedDefinitionSha256: string | null
  /** How often the write was planned, this time included. */
  round: number
}

/** `caller`: the id of the workflow that calls, as Temporal says it. Throws UNKNOWN_ORIGIN. */
export function verifyOrigin(call: Call, caller: string, row: OriginRow | undefined): VerifiedOrigin {
  const { organization, origin } = call
  const { writebackId } = origin
  const what = `${call.connection}.${call.operation} at ${origin.path}`
  const { run, requester, spec, pins } = verifyRun(origin, row, what)
  const step = findStep(spec?.steps ?? [], origin.path)
  if (!step || !callsTheSame(step, call)) throw noSuchStep(origin, what, 'call')
  assertSame(what, compileCallOf(step).arguments, call.arguments)
  assertCaller(what, caller, [run.workflowId, writebackWorkflowId({ organization, writebackId })])
  const round = roundOf(origin)
  if (round === null || round > MAX_ROUNDS * (step.retry?.max_attempts ?? 1))
    throw unknownOrigin(what, `no round of this step has the id ${JSON.stringify(writebackId)}`)
  return {
    requester,
    runWorkflowId: run.workflowId,
    pinnedDefinitionSha256: pins?.[`${call.connection}/${call.operation}`] ?? null,
    round,
  }
}

/** The run that starts another one with its step. Throws UNKNOWN_ORIGIN. */
export function verifySubRunOrigin(
  { origin, automation, input }: { origin: Origin; automation: string; input: JsonValue },
  caller: string,
  row: OriginRow | undefined,
): { run: DeliveredRun; requester: Requester } {
  const what = `run of ${automation} at ${origin.path}`
  const { run, requester, spec } = verifyRun(origin, row, what)
  const step = findStep(spec?.steps ?? [], origin.path)
  if (!step || !('run_automation' in step) || step.run_automation.automation !== automation)
    throw noSuchStep(origin, what, 'sub-run')
  assertSame(what, step.run_automation.input as JsonObject, input)
  assertCaller(what, caller, [run.workflowId])
  return { run, requester }
}

/** The question that a step of the run asks. Throws UNKNOWN_ORIGIN. */
export function verifyAskOrigin(
  { origin, title, markdown }: Asking,
  row: OriginRow | undefined,
): { ask: AskStepManifest['ask']; requester: Requester } {
  const what = `question at ${origin.path}`
  const { requester, spec } = verifyRun(origin, row, what)
  const step = findStep(spec?.steps ?? [], origin.path)
  if (!step || !('ask' in step)) throw noSuchStep(origin, what, 'question')
  const { ask } = step
  assertSame(what, { title: ask.title, markdown: ask.markdown }, { title, markdown })
  if (origin.writebackId !== askIdOf(origin))
    throw unknownOrigin(what, `its id is not ${JSON.stringify(origin.writebackId)}`)
  return { ask, requester }
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

export function callsTheSame(
  step: StepManifest,
  call: Pick<Call, 'connection' | 'operation'>,
): step is CallManifest {
  if (!('tool_call' in step) && !('writeback' in step)) return false
  const { connection, operation } = compileCallOf(step)
  return connection === call.connection && operation === call.operation
}

/** What is no expression in the step stands in its call as it is. */
function assertSame(what: string, written: JsonValue, given: JsonValue): void {
  const misfit = templateMisfit(written, given)
  if (misfit !== null) throw unknownOrigin(what, `its step says something else${misfit && ` in ${misfit}`}`)
}

/** Throws UNKNOWN_ORIGIN. */
export function assertCaller(what: string, caller: string, wanted: readonly string[]): void {
  if (wanted.includes(caller)) return
  throw unknownOrigin(what, `${JSON.stringify(caller)} is not the workflow that may ask for it`)
}

function noSuchStep(origin: Origin, what: string, kind: string): CodedError {
  const { automation, revision, path } = origin
  return unknownOrigin(what, `${automation} revision ${revision} has no such ${kind} at ${path}`)
}

function unknownOrigin(what: string, why: string): CodedError {
  return new CodedError('UNKNOWN_ORIGIN', `${what}: ${why}`)
}
