/** What the Temporal UI shows of us, in markdown: what a run does, what it waits for, and how a person goes on. Pure. */
import { openStage } from '../lib/quorum.ts'
import type { JsonValue } from '../lib/json.ts'
import type { Call, PendingWrite, Plan } from '../schemas/run.ts'
import type { ApprovalState } from './decide.ts'
import type { RunState } from './interpreter/state.ts'

export type Identity = 'verified' | 'asserted'

const MAX_CELL_LENGTH = 120

export function callSummary(call: Pick<Call, 'connection' | 'operation'>): string {
  return `${call.connection}.${call.operation}`
}

export function runDetails(plan: Plan, state: RunState, waitingIds: readonly string[]): string {
  const rows = plan.steps.map((step) => {
    const known = state.steps[step.name]
    const what = step.type === 'return' ? 'return' : callSummary(step.call)
    const note = known?.status === 'failed' ? `${known.error.code}: ${known.error.message}` : ''
    return `| ${cell(step.name)} | ${cell(what)} | ${known?.status ?? 'not reached'} | ${cell(note)} |`
  })
  const waits = waitingIds.map((id) => `Waits for \`${id}\`.`)
  return ['| step | does | state | |', '|---|---|---|---|', ...rows, '', ...waits].join('\n')
}

export function writebackDetails(pending: PendingWrite, waitingFor: string): string {
  return [`Waits for \`${waitingFor}\`.`, '', ...changesTable(pending)].join('\n')
}

export function approvalDetails(state: ApprovalState, identity: Identity, approvalId: string): string {
  const { pending, votes, refusals } = state
  const { requirement, requester } = pending
  const refused = refusals.slice(-5).map(({ code, message }) => `- \`${code}\` ${cell(message)}`)
  return [
    headline(state),
    '',
    ...changesTable(pending),
    '',
    `Asked for by \`${requester.principal}\` under rule \`${requirement.policy}/${requirement.rule}\`. Digest \`${pending.digest}\`.`,
    ...votes.map(
      (vote) =>
        `- **${vote.verdict}** by \`${vote.principal}\` at ${vote.at} (${vote.channel}) ${cell(vote.comment)}`,
    ),
    ...(refused.length > 0 ? ['', 'Refused messages:', ...refused] : []),
    ...(state.status === 'waiting' ? ['', ...howToDecide(pending, identity, approvalId)] : []),
  ].join('\n')
}

function headline(state: ApprovalState): string {
  if (state.status !== 'waiting') return `**${state.status}**`
  const { pending, votes, expiresAtMs } = state
  const stage = openStage(pending.requirement, pending.requester, votes)
  const wanted = [...(stage?.roles ?? []), ...(stage?.people ?? [])].map((name) => `\`${name}\``)
  const until = new Date(expiresAtMs).toISOString()
  return `**Waiting for ${stage?.quorum ?? 0} approval(s) from ${wanted.join(' or ')}.** Expires ${until}.`
}

function changesTable(pending: PendingWrite): string[] {
  const { preview } = pending
  const rows = preview.changes.map(
    ({ field, before, after }) => `| ${cell(field)} | ${cell(text(before))} | ${cell(text(after))} |`,
  )
  return [
    `\`${preview.operation}\` on \`${preview.target}\``,
    '',
    '| field | before | after |',
    '|---|---|---|',
    ...rows,
  ]
}

function howToDecide(pending: PendingWrite, identity: Identity, approvalId: string): string[] {
  const ticket = `A signed ticket for the box *Send a Signal* (\`approve\` or \`reject\`) is printed by:`
  const command = ['```', `countersign approve ${approvalId} --ticket`, '```']
  if (identity === 'verified') return [ticket, '', ...command]
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
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Values are somebody else's text: they may not end the cell, start markup, or fill the page. */
function cell(value: string): string {
  const line = value.replace(/\s+/g, ' ').replace(/[|`<>[\]*_\\]/g, (mark) => `\\${mark}`)
  return line.length <= MAX_CELL_LENGTH ? line : `${line.slice(0, MAX_CELL_LENGTH)}…`
}
