/**
 * One write to the outside, from plan to outcome: asked for at the door, waiting for people as a child workflow if the
 * door says so, then taken to the door again with what people signed. What it returns is the ledger's word.
 */
import { CancellationScope, setHandler, upsertSearchAttributes } from '@temporalio/workflow'
import {
  approvalIdOf,
  approvalWorkflowId,
  MAX_ASKS,
  NOT_WAITING,
  WAITING_FOR_RESOLUTION,
  WORKFLOW_TYPES,
} from '../schemas/names.ts'
import type {
  ApprovalInput,
  ApprovalResult,
  Call,
  Envelope,
  PerformResult,
  WritebackInput,
  WriteOutcome,
} from '../schemas/run.ts'
import { executeOrAttach, keyword } from './children.ts'
import { callSummary, resolutionDetails, writebackDetails } from './details.ts'
import { assertInput, failure } from './failures.ts'
import { forwardDecisions } from './forward.ts'
import { getWritebackQuery } from './messages.ts'
import { createPage, noteUnknownSignals, type Page } from './page.ts'
import { receiveResolutions, untilAllAnswered, untilResolved, type Resolutions } from './resolve.ts'
import { endWrite, performCall, settling } from './write.ts'

type Asked = Extract<PerformResult, { kind: 'needs_approval' }>

export async function writebackWorkflow(input: WritebackInput): Promise<WriteOutcome> {
  assertInput(typeof input?.call?.origin?.writebackId === 'string', 'a writeback')
  const { call } = input
  const page = createPage()
  const view = { waitingFor: null as string | null, outcome: null as WriteOutcome | null }
  forwardDecisions(page, () => (view.waitingFor ? [view.waitingFor] : []))
  setHandler(getWritebackQuery, () => ({ call, ...view }), {
    description: 'What this write is, and what it waits for',
  })
  const showUnknown = (): void => {
    if (view.outcome) page.show(resolutionDetails(call, view.outcome, resolutions.refusals))
  }
  const resolutions = receiveResolutions(call, showUnknown)
  noteUnknownSignals(page)
  view.outcome = await appliedOrNot(input, view, page)
  const isCancelled = CancellationScope.current().consideredCancelled
  if (view.outcome.status === 'unknown' && !isCancelled) {
    showUnknown()
    view.outcome = await resolved(input, view.outcome, resolutions)
  }
  await untilAllAnswered()
  page.show(`**${view.outcome.status}** ${view.outcome.message ?? ''}`)
  return view.outcome
}

/** One event each when the wait begins and ends, so that what waits can be listed. */
async function resolved(
  { searchAttributes }: WritebackInput,
  unknown: WriteOutcome,
  resolutions: Resolutions,
): Promise<WriteOutcome> {
  if (searchAttributes) upsertSearchAttributes([keyword('state', WAITING_FOR_RESOLUTION)])
  const outcome = await untilResolved(unknown, resolutions)
  if (searchAttributes) upsertSearchAttributes([keyword('state', NOT_WAITING)])
  return outcome
}

async function appliedOrNot(
  input: WritebackInput,
  view: { waitingFor: string | null },
  page: Page,
): Promise<WriteOutcome> {
  const { call } = input
  const decisions: Envelope[] = []
  return settling(call, decisions, async () => {
    let result: PerformResult = input.asked ?? (await performCall(call, [], callSummary(call)))
    for (let ask = 1; result.kind === 'needs_approval'; ask++) {
      if (ask > MAX_ASKS) throw failure({ code: 'LIMIT_EXCEEDED', message: `asked ${MAX_ASKS} times` })
      const approvalId = approvalIdOf({ writebackId: call.origin.writebackId, ask })
      view.waitingFor = approvalWorkflowId({ organization: call.organization, approvalId })
      page.show(writebackDetails(result.asked, view.waitingFor))
      const approval = await askPeople(input, result, approvalId)
      view.waitingFor = null
      decisions.push(...approval.decisions)
      result = await afterApproval(call, decisions, approval)
    }
    return writeOutcomeOf(result)
  })
}

async function askPeople(
  input: WritebackInput,
  { asked, kept }: Asked,
  approvalId: string,
): Promise<ApprovalResult> {
  const { call } = input
  const { organization, connection, origin } = call
  const { writebackId } = origin
  const child: ApprovalInput = { organization, approvalId, writebackId, asked, kept }
  return executeOrAttach<ApprovalResult>({
    type: WORKFLOW_TYPES.approval,
    workflowId: approvalWorkflowId({ organization, approvalId }),
    args: [child],
    summary: `Approval of ${call.connection}.${call.operation}`,
    details: `Waits until the people whom rule \`${asked.rule}\` asks for have decided.`,
    searchAttributes: input.searchAttributes
      ? [
          keyword('org', organization),
          keyword('automation', origin.automation),
          keyword('connection', connection),
        ]
      : [],
  })
}

/** Approved or rejected, the door has the word; a wait that ended without a decision ends the write. */
async function afterApproval(
  call: Call,
  decisions: Envelope[],
  approval: ApprovalResult,
): Promise<PerformResult> {
  if (approval.state === 'approved' || approval.state === 'rejected') {
    return performCall(call, decisions, `${callSummary(call)} (${approval.state})`)
  }
  const outcome = await endWrite(call, decisions, { because: approval.state })
  if (!outcome) throw failure({ code: 'WITHDRAWN', message: 'there is no such write any more' })
  return { kind: 'done', outcome }
}

function writeOutcomeOf(result: PerformResult): WriteOutcome {
  if (result.kind === 'done' && result.outcome.kind === 'write') return result.outcome
  throw failure({ code: 'STEP_FAILED', message: 'the connection says that this is a reading; use tool_call' })
}
