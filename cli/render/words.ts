/** Small phrases that several views of runs and approvals have in common. Pure. */
import type { AttemptView, RunView as Run, StepView } from '../../schemas/operations/runs.ts'
import type { ApprovalView, RequirementView } from '../../schemas/operations/views.ts'
import { shellWord } from '../../lib/shell-text.ts'
import { groupText, whomText } from '../../lib/whom.ts'
import { valueText, visible } from '../output.ts'

/** `2026-11-02 09:14:07Z`: in UTC, and says so. */
export function moment(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')}Z`
}

export function clock(iso: string): string {
  return `${iso.slice(11, 19)}Z`
}

/** `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, ms) / 1_000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 48 * 3_600) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

export function counted(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`
}

export function shortValue(value: unknown, width = 60): string {
  return cut(visible(valueText(value)), width)
}

/** By characters, as a terminal counts most of them. */
export function cut(text: string, width: number): string {
  const characters = Array.from(text)
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** `1 of role finance, then 2 of role board`. */
export function needText({ stages }: RequirementView): string {
  return whomText(stages)
}

/** `1 of role board (stage 2 of 2)`: who is missing now. Empty once nobody is. */
export function missingText({ waits_for: open }: Pick<ApprovalView, 'waits_for'>): string {
  if (open === null) return ''
  const stage = open.stages > 1 ? ` (stage ${open.stage} of ${open.stages})` : ''
  return `${open.missing} of ${groupText(open)}${stage}`
}

/** `late_fee_cents: 5223 → 0, and 2 more`: enough to know it again; whoever decides looks at all of it. */
export function changeText({ preview }: Pick<ApprovalView, 'preview'>): string {
  const [first, ...more] = preview.changes
  if (first === undefined) return ''
  const { field, before, after } = first
  const rest = more.length === 0 ? '' : `, and ${more.length} more`
  const isNew = before === null || before === undefined
  const value = isNew ? shortValue(after, 24) : `${shortValue(before, 16)} → ${shortValue(after, 16)}`
  return `${cut(field, 24)}: ${value}${rest}`
}

/** What a wait has become: a question is answered, not approved. */
export function waitState({ state, question }: Pick<ApprovalView, 'state' | 'question'>): string {
  return question !== null && state === 'approved' ? 'answered' : state
}

/** What a decision has come to, in one line. What nobody has looked at yet says so in a sentence. */
export function decidedLine(id: string, { state, message }: Decided): string {
  return `${visible(id)}: ${state}.${message === state ? '' : ` ${visible(message)}`}`
}

/** The same for an answer; how many more approve is no matter of it. */
export function answeredLine(id: string, { state, message }: Decided): string {
  if (state === 'approved') return `${visible(id)}: answered.`
  return decidedLine(id, { state, message })
}

interface Decided {
  state: string
  message: string
}

/** `approve by lena@example.org`, or `answered by …`. */
export function voteText(
  { question }: Pick<ApprovalView, 'question'>,
  { verdict, principal }: ApprovalView['votes'][number],
): string {
  return `${question === null ? verdict : 'answered'} by ${principal}`
}

/** What to type, once one has looked. */
export function decideCommand({ approval_id: id, question }: ApprovalView): string {
  const word = shellWord(id)
  return question === null ? `countersign approve ${word}` : `countersign answer ${word} --answer JSON`
}

const STATES: Record<Run['state'], string> = {
  pending: 'not started yet',
  running: 'running',
  waiting_for_approval: 'waiting for an approval',
  waiting_for_resolution: 'waiting for somebody to say what became of a write',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  terminated: 'terminated',
  timed_out: 'timed out',
  no_longer_kept: 'no longer kept by Temporal',
}

export function stateText(state: Run['state']): string {
  return STATES[state]
}

const OPEN: ReadonlySet<Run['state']> = new Set([
  'pending',
  'running',
  'waiting_for_approval',
  'waiting_for_resolution',
])

export function isOpen({ state }: Pick<Run, 'state'>): boolean {
  return OPEN.has(state)
}

/** `event invoice.disputed of connection billing`, `call of the API`. */
export function sourceText(source: string): string {
  const [kind = '', name = '', ...type] = source.split('/')
  if (kind === 'event') return `event ${visible(type.join('/'))} of connection ${visible(name)}`
  if (kind === 'api') return 'call of the API'
  return visible(source)
}

/** From when it was scheduled until it closed, over all its attempts; undefined if it called nothing, or goes on. */
export function stepDurationMs({ attempts }: StepView): number | undefined {
  const from = attempts[0]?.scheduled_at
  const to = attempts.at(-1)?.closed_at
  return from && to ? Date.parse(to) - Date.parse(from) : undefined
}

export function attemptText({ attempt, failure, next_attempt_at }: AttemptView): string {
  const why = failure === null ? '' : `: ${visible(failure.code)}: ${visible(failure.message)}`
  const next = next_attempt_at === null ? '' : `, again at ${clock(next_attempt_at)}`
  return `attempt ${attempt}${why}${next}`
}

/** Of an API key. Whether its principal is disabled, it does not say. */
export function keyState(key: { expires_at: string | null; revoked_at: string | null }): string {
  if (key.revoked_at !== null) return `revoked ${key.revoked_at}`
  if (key.expires_at === null) return 'valid'
  return Date.parse(key.expires_at) <= Date.now()
    ? `expired ${key.expires_at}`
    : `valid until ${key.expires_at}`
}
