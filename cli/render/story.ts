/** What happened in a run, told in words: `runs show`. Pure. */
import { shellWord } from '../../lib/shell-text.ts'
import { findStep } from '../../schemas/step-tree.ts'
import type { RunView as Run, StepView } from '../../schemas/operations/runs.ts'
import type { ApprovalView, WritebackView } from '../../schemas/operations/views.ts'
import type { StepManifest } from '../../schemas/steps.ts'
import { tableLines, valueText, visible } from '../output.ts'
import type { ToldReceipt } from './receipt.ts'
import { inTree } from './tree.ts'
import {
  attemptText,
  counted,
  decideCommand,
  durationText,
  isOpen,
  missingText,
  moment,
  needText,
  shortValue,
  sourceText,
  stateText,
  stepDurationMs,
  waitState,
} from './words.ts'

export interface Story {
  title: string
  /** Paragraphs; an empty line between them. */
  parts: string[][]
}

/** `steps`: of the revision that runs, if it is known. `receipts`: all of the run. */
export function storyOf(
  run: Run,
  steps: readonly StepManifest[] | undefined,
  receipts: readonly ToldReceipt[] = [],
): Story {
  const { automation, revision, run_id: runId } = run
  return {
    title: visible(`${automation}, revision ${revision}: ${stateText(run.state)}`),
    parts: [
      beginningOf(run),
      heldUpLines(run),
      ...stepParts(run, steps),
      ...questionParts(run),
      endOf(run),
      receiptLines(run, receipts),
      [
        `Run ${runId}`,
        ...(run.temporal_ui_url === null ? [] : [`Temporal UI: ${visible(run.temporal_ui_url)}`]),
      ],
    ].filter((lines) => lines.length > 0),
  }
}

function beginningOf(run: Run): string[] {
  const { principal, kind, on_behalf_of: chain } = run.requester
  const forWhom = chain.length === 0 ? '' : `, for ${chain.join(', for ')}`
  return [
    visible(
      `${moment(run.received_at)}  Started by ${principal} (${kind})${forWhom}: ${sourceText(run.source)}.`,
    ),
    `Input: ${shortValue(run.input, 200)}`,
  ]
}

/** One line each: what does not move, why, when it is tried again, and what to do. */
export function heldUpLines({ held_up_by: reasons }: Run): string[] {
  return reasons.map(({ summary, action }) => visible(`Held up: ${summary} → ${action}`))
}

function stepParts(run: Run, steps: readonly StepManifest[] | undefined): string[][] {
  const missing =
    run.steps_from === 'history' && isOpen(run)
      ? [['No worker answers: steps that call nothing are not shown.']]
      : []
  const told = inTree(run.steps).map(({ step, depth, label }) => {
    const indent = '  '.repeat(depth - 1)
    const definition = steps && findStep([...steps], step.path)
    const head = `${label}: ${[deedOf(definition), stateOf(step)].filter((part) => part !== '').join('; ')}`
    const below = [...attemptLines(step), ...writeLines(run, step)]
    return [visible(head), ...below.map((line) => `  ${line}`)].map((line) => `${indent}${line}`)
  })
  return [...missing, ...told]
}

/** What people were asked, and what they answered. */
function questionParts({ approvals }: Run): string[][] {
  return approvals.flatMap((approval) => {
    const { question, answer } = approval
    if (question === null) return []
    const answered = answer === null ? [] : [`Answer: ${shortValue(answer, 200)}`]
    const below = [...approvalLines(approval), ...answered]
    return [[visible(`Question: ${question.title}`), ...below.map((each) => `  ${each}`)]]
  })
}

/** What a step is there for, as its manifest says. */
function deedOf(step: StepManifest | undefined): string {
  if (step === undefined) return ''
  if ('tool_call' in step) return `calls ${step.tool_call.connection}/${step.tool_call.tool}`
  if ('writeback' in step) return `writes through ${step.writeback.connection}`
  if ('choose' in step) return 'chooses'
  if ('for_each' in step) return 'goes through a list'
  if ('parallel' in step) return `goes ${Object.keys(step.parallel.branches).join(' and ')} side by side`
  if ('run_automation' in step) return 'runs another automation'
  const [kind = ''] = ['sleep', 'return', 'fail', 'code', 'ask'].filter((known) => known in step)
  return kind
}

function stateOf(step: StepView): string {
  const took = stepDurationMs(step)
  const inTime = took === undefined ? '' : ` in ${durationText(took)}`
  switch (step.state) {
    case 'running':
      return 'goes on'
    case 'waiting':
      return 'waits for people'
    case 'completed':
      return `done${inTime}${step.output === null ? '' : `: ${shortValue(step.output, 100)}`}`
    case 'failed':
      return `failed${inTime}${step.error ? ` with ${step.error.code}: ${step.error.message}` : ''}`
    case 'skipped':
      return 'not needed'
    default:
      return step.state satisfies never
  }
}

/** Of calls that needed more than one, or have no end yet. */
function attemptLines({ attempts }: StepView): string[] {
  const told = attempts.filter(({ attempt, failure }) => attempt > 1 || failure !== null)
  return told.map(attemptText)
}

function writeLines(run: Run, step: StepView): string[] {
  return run.writebacks
    .filter(({ writeback_id }) => step.writeback_ids.includes(writeback_id))
    .flatMap((write) => [
      ...plannedLines(write),
      ...run.approvals
        .filter(({ writeback_id }) => writeback_id === write.writeback_id)
        .flatMap(approvalLines),
      ...outcomeLines(write),
    ])
}

function plannedLines({ preview, created_at, writeback_id }: WritebackView): string[] {
  const { connection, operation, target, changes } = preview
  const rows = changes.map(({ field, before, after }) => [field, valueText(before), valueText(after)])
  return [
    visible(`${moment(created_at)}  Planned ${operation} of ${target} through ${connection}`),
    visible(`  Writeback ${writeback_id}`),
    ...(rows.length === 0 ? [] : tableLines(['FIELD', 'BEFORE', 'AFTER'], rows).map((line) => `  ${line}`)),
  ]
}

function approvalLines(approval: ApprovalView): string[] {
  const { requirement, question, votes, state, created_at, closed_at, expires_at } = approval
  const rule = question === null ? ` (policy ${requirement.policy}, rule ${requirement.rule})` : ''
  const said = votes.map(({ principal, verdict, at, channel, comment }) => {
    const reason = comment === '' ? '' : `: “${comment}”`
    const deed = question === null ? `said ${verdict}` : 'answered'
    return `${moment(at)}  ${principal} ${deed} (${channel})${reason}`
  })
  const end =
    state === 'waiting'
      ? [`Waits for ${missingText(approval)}, until ${moment(expires_at)}: ${decideCommand(approval)}`]
      : closed_at === null
        ? []
        : [`${moment(closed_at)}  ${waitState(approval)}`]
  return [`${moment(created_at)}  Asked ${needText(requirement)}${rule}`, ...said, ...end].map(visible)
}

function outcomeLines({ outcome, state, writeback_id }: WritebackView): string[] {
  if (outcome !== null) {
    const why = [outcome.code, outcome.message].filter((part) => part !== null).join(': ')
    const words = outcome.status.replace('_', ' ')
    return [visible(`Outcome: ${words}${why === '' ? '' : `, ${why}`}. Receipt ${outcome.receipt.seq}.`)]
  }
  if (state === 'sending') return ['Being sent.']
  if (state !== 'unknown') return []
  return [
    'Nobody knows whether it was done. Look at the target, then:',
    visible(`  countersign writebacks resolve ${shellWord(writeback_id)} --as applied|not-applied`),
  ]
}

function endOf(run: Run): string[] {
  const at = run.closed_at === null ? '' : `${moment(run.closed_at)}  `
  if (run.failure !== null) {
    return [visible(`${at}The run ${stateText(run.state)}: ${run.failure.code}: ${run.failure.message}`)]
  }
  if (run.state === 'completed') return [`${at}The run completed. Result: ${shortValue(run.result, 400)}`]
  if (!isOpen(run)) return [`${at}The run: ${stateText(run.state)}.`]
  const waiting = run.approvals.filter(({ state }) => state === 'waiting').length
  const whom = waiting === 0 ? '' : ` (${counted(waiting, 'approval', 'approvals')})`
  return [
    `The run is ${stateText(run.state)}${whom}. Follow it: countersign runs watch ${visible(shellWord(run.run_id))}`,
  ]
}

function receiptLines({ run_id: runId }: Run, receipts: readonly ToldReceipt[]): string[] {
  if (receipts.length === 0) return []
  const rows = receipts.map(({ seq, kind, words, at, id }) => [
    String(seq),
    kind,
    words,
    at === '' ? '' : moment(at),
    id,
  ])
  return [
    ...tableLines(['RECEIPT', 'KIND', 'WHAT', 'AT', 'ID'], rows),
    visible(`Check them: countersign receipts export --run ${shellWord(runId)} -o receipts.json`),
  ]
}
