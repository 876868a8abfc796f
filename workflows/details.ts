/** What the Temporal UI shows of us, in markdown: what a run does, what it waits for, and how a person goes on. Pure. */
import { judge } from '../lib/quorum.ts'
import { shortened } from '../lib/cut-text.ts'
import { isJsonObject, type JsonValue } from '../lib/json.ts'
import { holdsInvisible, markdownText, visible } from '../lib/shown-text.ts'
import { shellWord } from '../lib/shell-text.ts'
import { OPERATOR_ROLE } from '../schemas/names.ts'
import type {
  AskedWrite,
  Call,
  PendingWrite,
  Plan,
  PlanStep,
  ReceiptsHead,
  WriteOutcome,
} from '../schemas/run.ts'
import type { ApprovalState } from './decide.ts'
import { pathsUnderWay, stepIn, type RunState, type StepState } from './interpreter/state.ts'

export type Identity = 'verified' | 'asserted'

const MAX_CELL_LENGTH = 120
const MAX_ROWS = 40
const MAX_LISTED = 20
const INVISIBLE_NOTE = String.raw`**Look twice:** characters that cannot be seen, or turn the direction of writing, are shown as \\u….`

export function callSummary(call: Pick<Call, 'connection' | 'operation'>): string {
  return `${call.connection}.${call.operation}`
}

/** A write, a question or a run; and the people behind it, as far as the run knows. */
export interface WaitedFor {
  workflowId: string
  whom?: string | undefined
}

export function runDetails(
  plan: Plan,
  state: RunState,
  waitsFor: readonly WaitedFor[],
  receipts: ReceiptsHead | null = null,
): string {
  const { skipped, shown } = window(plan.steps, state)
  const rows = shown.map((step) => {
    const known = stepIn(state.block, step.name)
    return `| ${cell(step.name)} | ${cell(doesOf(step))} | ${known?.status ?? 'not reached'} | ${cell(noteOn(known))} |`
  })
  const inside = pathsUnderWay(state.block, '').filter((path) => /[.[]/.test(path))
  return [
    ...(skipped > 0 ? [`After ${skipped} earlier steps:`, ''] : []),
    '| step | does | state | |',
    '|---|---|---|---|',
    ...rows,
    '',
    ...(inside.length > 0 ? [`Under way inside: ${listed(inside.map(code))}`, ''] : []),
    ...waitingLines(waitsFor),
    ...(receipts ? [`Receipts: ${receipts.count}, the last is \`${receipts.sha256}\`.`] : []),
  ].join('\n')
}

/** People first. Whom a write waits for the policies say, and only the door of that write has asked them. */
function waitingLines(waitsFor: readonly WaitedFor[]): string[] {
  const shown = waitsFor.slice(0, MAX_LISTED).map(({ workflowId, whom }) => {
    const who = whom === undefined ? '' : `${code(whom)}, in `
    return `Waits for ${who}${code(workflowId)}${showCommand(workflowId)}.`
  })
  const rest = waitsFor.length - MAX_LISTED
  return [...shown, ...(rest > 0 ? [`And for ${rest} more.`] : [])]
}

function showCommand(workflowId: string): string {
  const [, kind, id] = /^(writeback|approval)\/[^/]+\/(.+)$/.exec(workflowId) ?? []
  if (kind === undefined || id === undefined) return ''
  const noun = kind === 'writeback' ? 'writebacks' : 'approvals'
  return `; who, and what: \`countersign ${noun} show ${shellWord(id)}\``
}

/** The page is made anew with every step, so it shows a bounded part of a long plan: where the run is. */
function window(
  steps: readonly PlanStep[],
  state: RunState,
): { skipped: number; shown: readonly PlanStep[] } {
  const reached = steps.findLastIndex(({ name }) => stepIn(state.block, name) !== undefined)
  const skipped = Math.max(0, Math.min(reached - MAX_ROWS / 2, steps.length - MAX_ROWS))
  return { skipped, shown: steps.slice(skipped, skipped + MAX_ROWS) }
}

function doesOf(step: PlanStep): string {
  switch (step.type) {
    case 'call':
    case 'writeback':
      return callSummary(step.call)
    case 'run_automation':
      return `run ${step.automation}`
    case 'ask':
      return 'ask people'
    case 'fail':
      return `fail with ${step.code}`
    default:
      return step.type.replace('_', ' ')
  }
}

function noteOn(step: StepState | undefined): string {
  if (step?.status === 'failed') return `${step.error.code}: ${step.error.message}`
  if (!step || !('lanes' in step) || !step.lanes?.items) return ''
  return `${step.lanes.closedCount} of ${step.lanes.items.length} items done`
}

function listed(texts: readonly string[]): string {
  const rest = texts.length - MAX_LISTED
  return `${texts.slice(0, MAX_LISTED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

export function writebackDetails({ rule, whom }: AskedWrite, waitingFor: string): string {
  const who = whom === undefined ? '' : `${code(whom)}, in `
  return `Waits for ${who}${code(waitingFor)}, under rule ${code(rule)}${showCommand(waitingFor)}.`
}

/** Of a change of a row, columns without their values: some are redacted, and which ones only the door knows. */
function shownArguments({ operation, arguments: given }: Call): JsonValue {
  const { table, key, set } = given
  if (operation !== 'update' || !isJsonObject(key) || !isJsonObject(set)) return given
  return { table: table ?? null, key, set: Object.keys(set) }
}

/** What somebody needs who has to find out what became of a write. */
export function resolutionDetails(
  call: Call,
  unknown: WriteOutcome,
  refusals: readonly { code: string; message: string }[],
): string {
  const id = shellWord(call.origin.writebackId)
  const refused = refusals.slice(-5).map(({ code: why, message }) => `- \`${why}\` ${cell(message)}`)
  return [
    `**Nobody knows whether this write was done.** ${cell(unknown.message ?? '')}`,
    '',
    `Look at the target of ${code(callSummary(call))}, called with ${code(JSON.stringify(shownArguments(call)))}.`,
    `What it would have changed: \`countersign writebacks show ${id}\`.`,
    `Then a person who may approve this write, or has the role \`${OPERATOR_ROLE}\`, says what became of it:`,
    '',
    '```',
    `countersign writebacks resolve ${id} --as applied`,
    `countersign writebacks resolve ${id} --as not-applied`,
    '```',
    '',
    'With `--ticket` it prints the input for the signal `resolve` instead. Nothing is sent again in any case.',
    ...(refused.length > 0 ? ['', 'Refused messages:', ...refused] : []),
  ].join('\n')
}

export function approvalDetails(state: ApprovalState, identity: Identity, approvalId: string): string {
  const { pending, votes, refusals } = state
  const { requirement, requester } = pending
  const refused = refusals.slice(-5).map(({ code, message }) => `- \`${code}\` ${cell(message)}`)
  return [
    headline(state),
    '',
    ...(pending.question ? [pending.question.markdown] : changesTable(pending)),
    '',
    `Asked for by ${code(requester.principal)} under rule \`${requirement.policy}/${requirement.rule}\`. Digest \`${pending.digest}\`.`,
    ...votes.map(
      (vote) =>
        `- **${vote.verdict}** by ${code(vote.principal)} at ${vote.at} (${vote.channel}) ${cell(vote.comment)}`,
    ),
    ...(refused.length > 0 ? ['', 'Refused messages:', ...refused] : []),
    ...(state.status === 'waiting' ? ['', ...howToDecide(pending, identity, approvalId)] : []),
  ].join('\n')
}

function headline(state: ApprovalState): string {
  const { pending, votes, expiresAtMs, status } = state
  if (pending.question && status === 'approved') return '**answered**'
  if (status !== 'waiting') return `**${status}**`
  const judgement = judge(pending.requirement, pending.requester, votes)
  const stage = judgement.state === 'waiting' ? pending.requirement.stages[judgement.stage] : undefined
  const missing = judgement.state === 'waiting' ? judgement.missing : 0
  const wanted = [...(stage?.roles ?? []), ...(stage?.people ?? [])].map(code).join(' or ')
  const until = new Date(expiresAtMs).toISOString()
  if (pending.question)
    return `**${cell(pending.question.title)}** Waiting for an answer from ${wanted}. Expires ${until}.`
  return `**Waiting for ${missing} of ${stage?.quorum ?? 0} approvals from ${wanted}.** Expires ${until}.`
}

function changesTable(pending: PendingWrite): string[] {
  const { preview } = pending
  const cells = preview.changes.map(({ field, before, after }) => [field, text(before), text(after)])
  const rows = cells.map((row) => `| ${row.map(codeCell).join(' | ')} |`)
  const isMarked = [preview.operation, preview.target, ...cells.flat()].some((shown) =>
    holdsInvisible(inOneLine(shown)),
  )
  return [
    `${code(preview.operation)} on ${code(preview.target)}`,
    '',
    '| field | before | after |',
    '|---|---|---|',
    ...rows,
    ...(isMarked ? ['', INVISIBLE_NOTE] : []),
  ]
}

function howToDecide(pending: PendingWrite, identity: Identity, approvalId: string): string[] {
  if (pending.question) {
    const form = JSON.stringify(pending.question.form)
    return [
      `The answer has to fit ${code(form)}.`,
      '',
      '```',
      `countersign answer ${shellWord(approvalId)} --answer JSON`,
      '```',
    ]
  }
  const ticket = `A signed ticket for the box *Send a Signal* (\`approve\` or \`reject\`) is printed by:`
  const command = ['```', `countersign approve ${shellWord(approvalId)} --ticket`, '```']
  if (identity === 'verified' || pending.requirement.identity === 'verified') return [ticket, '', ...command]
  const word = JSON.stringify({ by: 'you@example.org', digest: pending.digest }, null, 2)
  return [
    ticket,
    '',
    ...command,
    '',
    'This deployment also takes people at their word. Signal `approve` or `reject` with:',
    '',
    '```json',
    word,
    '```',
  ]
}

function text(value: JsonValue): string {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value)
}

/** The end of a code span is the only markup in one. */
export function code(value: string): string {
  return `\`${cut(visible(beginning(value)).replaceAll('`', "'"))}\``
}

/**
 * As code, which the UI sets apart: its tables have no space between columns. A pipe ends a cell even in code, and a
 * backslash before an escaped one would undo the escape.
 */
function codeCell(value: string): string {
  return code(value).replace(/(\\*)\|/g, '$1$1\\|')
}

/** Values are somebody else's text: they may not end the cell, start markup, or fill the page. */
function cell(value: string): string {
  return cut(markdownText(beginning(value)))
}

/** Blanks and line ends are shown as blanks. */
function inOneLine(value: string): string {
  return value.replace(/\s+/g, ' ')
}

/** More than is shown: what is shown is never shorter. */
function beginning(value: string): string {
  return inOneLine(value).slice(0, 2 * MAX_CELL_LENGTH)
}

/** Whoever decides must see that there is more. */
function cut(line: string): string {
  return shortened(line, MAX_CELL_LENGTH)
}
