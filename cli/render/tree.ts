/** A run as a tree of its steps, as `runs watch` draws it, and what has changed from one look to the next. Pure. */
import type { RunView as Run, StepView } from '../../schemas/operations/runs.ts'
import type { ApprovalView, WritebackView } from '../../schemas/operations/views.ts'
import { visible } from '../output.ts'
import { receiptCount } from './fields.ts'
import {
  attemptText,
  clock,
  counted,
  cut,
  decideCommand,
  durationText,
  isOpen,
  missingText,
  moment,
  shortValue,
  stateText,
  stepDurationMs,
  voteText,
  waitState,
} from './words.ts'

export type Tone = 'good' | 'bad' | 'waiting' | 'quiet' | 'plain'

export interface Line {
  depth: number
  /** One character, or none for a line that belongs to the one above. */
  mark: string
  tone: Tone
  text: string
  /** A step that is over, and may be left out where there is no room. */
  isDone: boolean
}

const MARKS: Record<StepView['state'], { mark: string; tone: Tone }> = {
  running: { mark: '○', tone: 'plain' },
  waiting: { mark: '●', tone: 'waiting' },
  completed: { mark: '✓', tone: 'good' },
  failed: { mark: '✗', tone: 'bad' },
  skipped: { mark: '–', tone: 'quiet' },
}

const RUN_TONES: Partial<Record<Run['state'], Tone>> = {
  completed: 'good',
  failed: 'bad',
  cancelled: 'bad',
  terminated: 'bad',
  timed_out: 'bad',
  waiting_for_approval: 'waiting',
  waiting_for_resolution: 'waiting',
}

/** The first two lines are about the run, the last about its receipts. */
export function treeLines(run: Run, nowMs: number): Line[] {
  const sinceMs = Date.parse(run.closed_at ?? new Date(nowMs).toISOString()) - Date.parse(run.received_at)
  const words = `${run.automation}, revision ${run.revision}: ${stateText(run.state)}, ${durationText(sinceMs)}`
  const head = [
    line(0, { mark: '', tone: RUN_TONES[run.state] ?? 'plain', text: words }),
    line(1, { mark: '', tone: 'quiet', text: run.run_id }),
  ]
  const steps = inTree(run.steps).flatMap(({ step, depth, label }) => stepLines(run, { step, depth, label }))
  const end = [
    ...(run.failure === null
      ? []
      : [line(1, { mark: '✗', tone: 'bad', text: `${run.failure.code}: ${run.failure.message}` })]),
    ...(run.state === 'completed'
      ? [line(1, { mark: '', tone: 'plain', text: `Result: ${shortValue(run.result, 200)}` })]
      : []),
    line(1, { mark: '', tone: 'quiet', text: `${counted(receiptCount(run), 'receipt', 'receipts')}` }),
  ]
  return [...head, ...steps, ...questionLines(run), ...end]
}

function line(depth: number, rest: Pick<Line, 'mark' | 'tone' | 'text'>, isDone = false): Line {
  return { depth, ...rest, text: visible(rest.text), isDone }
}

interface PlacedStep {
  step: StepView
  depth: number
  /** Its path without that of the step it stands in. */
  label: string
}

/** Steps under the step they stand in, in the order in which they were reached, those of one item together. */
export function inTree(steps: readonly StepView[]): PlacedStep[] {
  const paths = new Set(steps.map(({ path }) => path))
  const children = new Map<string, StepView[]>()
  for (const step of steps) {
    const parent = parentOf(step.path, paths)
    children.set(parent, [...(children.get(parent) ?? []), step])
  }
  const placed = (parent: string, depth: number): PlacedStep[] =>
    byItem(children.get(parent) ?? [], parent).flatMap((step) => [
      { step, depth, label: step.path.slice(parent.length).replace(/^\./, '') },
      ...placed(step.path, depth + 1),
    ])
  return placed('', 1)
}

/** The longest path that this one continues; empty for a step of the automation itself. */
function parentOf(path: string, paths: ReadonlySet<string>): string {
  for (let end = path.length - 1; end > 0; end--) {
    const isEdge = path[end] === '.' || path[end] === '['
    if (isEdge && paths.has(path.slice(0, end))) return path.slice(0, end)
  }
  return ''
}

function byItem(steps: readonly StepView[], parent: string): StepView[] {
  if (parent === '') return [...steps]
  const groups = new Map<string, StepView[]>()
  for (const step of steps) {
    const item = /^(\[\d+\]|\.[a-z0-9_]+)/.exec(step.path.slice(parent.length))?.[0] ?? ''
    groups.set(item, [...(groups.get(item) ?? []), step])
  }
  return [...groups.values()].flat()
}

/** Those that wait. An answer that was given is the output of its step. */
function questionLines({ approvals }: Run): Line[] {
  return approvals.flatMap((approval) => {
    if (approval.question === null || approval.state !== 'waiting') return []
    const asked = { mark: '●', tone: 'waiting' as const, text: `Question: ${approval.question.title}` }
    const below = approvalTexts(approval).map((text) => line(2, { mark: '', tone: 'plain', text }))
    return [line(1, asked), ...below]
  })
}

function stepLines(run: Run, { step, depth, label }: PlacedStep): Line[] {
  const { mark, tone } = MARKS[step.state]
  const took = stepDurationMs(step)
  const isDone = step.state === 'completed' || step.state === 'skipped'
  const words = [stepWords(step), ...(took === undefined || !isDone ? [] : [durationText(took)])]
  const own = line(depth, { mark, tone, text: `${label}  ${words.join(', ')}` }, isDone)
  const below = (text: string, quiet: Tone = 'plain'): Line =>
    line(depth + 1, { mark: '', tone: quiet, text }, isDone)
  const writes = run.writebacks.filter(({ writeback_id }) => step.writeback_ids.includes(writeback_id))
  const approvals = run.approvals.filter(({ writeback_id }) => step.writeback_ids.includes(writeback_id))
  return [
    own,
    ...writes.map((write) => below(writeText(write))),
    ...approvals.flatMap((approval) => approvalTexts(approval).map((text) => below(text))),
    ...failedAttempts(step).map((text) => below(text, 'bad')),
  ]
}

function stepWords({ state, error }: StepView): string {
  if (error !== null) return `failed with ${error.code}: ${error.message}`
  return state === 'waiting' ? 'waits for people' : state
}

/** Of one that goes on: what went wrong so far. */
function failedAttempts({ state, attempts }: StepView): string[] {
  const last = attempts.at(-1)
  return state === 'running' && last?.failure ? [attemptText(last)] : []
}

export function writeText({ preview, state }: Pick<WritebackView, 'preview' | 'state'>): string {
  return `writes ${preview.connection} · ${preview.operation} · ${preview.target}: ${state.replace('_', ' ')}`
}

export function approvalTexts(approval: ApprovalView): string[] {
  const { state, question, votes, expires_at } = approval
  const said = votes.map((vote) => {
    const { at, channel, comment } = vote
    const reason = comment === '' ? '' : `: ${comment}`
    return `${voteText(approval, vote)} at ${clock(at)} (${channel})${reason}`
  })
  const what = question === null ? 'approval' : 'question'
  if (state !== 'waiting') return [...said, `${what} ${waitState(approval)}`]
  return [...said, `waits for ${missingText(approval)}, until ${moment(expires_at)}`, decideCommand(approval)]
}

/** One sentence for each thing that is not as it was. */
export function changesBetween(before: Run | undefined, after: Run): string[] {
  return [
    ...after.steps.flatMap((step) => {
      const known = before?.steps.find(({ path }) => path === step.path)
      const isNews = known?.state !== step.state || known.attempts.length !== step.attempts.length
      return isNews ? [visible(`${step.path}: ${stepWords(step)}`)] : []
    }),
    ...after.writebacks.flatMap((write) => {
      const known = before?.writebacks.find(({ writeback_id }) => writeback_id === write.writeback_id)
      return known?.state === write.state ? [] : [visible(`${write.path}: ${writeText(write)}`)]
    }),
    ...after.approvals.flatMap((approval) => {
      const known = before?.approvals.find(({ approval_id }) => approval_id === approval.approval_id)
      const told = new Set(known ? approvalTexts(known) : [])
      return approvalTexts(approval)
        .filter((text) => !told.has(text))
        .map((text) => visible(`${approval.approval_id}: ${text}`))
    }),
    ...(receiptCount(after) === (before ? receiptCount(before) : 0)
      ? []
      : [`${counted(receiptCount(after), 'receipt', 'receipts')}`]),
    ...(before?.state === after.state ? [] : [runChange(after)]),
  ]
}

function runChange(run: Run): string {
  const why = run.failure === null ? '' : `: ${visible(run.failure.code)}: ${visible(run.failure.message)}`
  const result = run.state === 'completed' ? `: ${shortValue(run.result)}` : ''
  return `run ${isOpen(run) ? 'is' : 'has ended:'} ${stateText(run.state)}${why}${result}`
}

/** As many lines as there is room for: steps that are over go first, oldest first, then the rest from the top. */
export function fitLines(
  lines: readonly Line[],
  { rows, columns }: { rows: number; columns: number },
): Line[] {
  const over = lines.length - rows
  let left = over <= 0 ? [...lines] : dropDone(lines, over + 1)
  if (left.length > rows) left = [...left.slice(0, 2), ...left.slice(left.length - (rows - 2))]
  return left.map((each) => ({ ...each, text: cut(each.text, columns - indentOf(each).length) }))
}

function dropDone(lines: readonly Line[], wanted: number): Line[] {
  const done = new Set(lines.filter(({ isDone }) => isDone).slice(0, wanted))
  const [head, id, ...rest] = lines.filter((each) => !done.has(each))
  const told = line(1, { mark: '', tone: 'quiet', text: `… ${done.size} lines of finished steps` })
  return head && id && done.size > 0 ? [head, id, told, ...rest] : [...lines]
}

/** What stands before the text. */
export function indentOf({ depth, mark }: Line): string {
  return `${'  '.repeat(depth)}${mark === '' ? '' : `${mark} `}`
}
