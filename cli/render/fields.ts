/** How approvals and runs appear to people, for the commands that show them. */
import type { ApprovalView } from '../../schemas/operations/views.ts'
import type { RunView } from '../../schemas/operations/runs.ts'
import { plainText } from '../../lib/shown-text.ts'
import { tableLines, valueText, visible } from '../output.ts'
import { missingText, needText, voteText, waitState } from './words.ts'

export type Run = RunView

type Field = readonly [string, string]
type Question = NonNullable<ApprovalView['question']>

export function approvalFields(approval: ApprovalView): Field[] {
  const { preview, requester, votes } = approval
  const chain = requester.on_behalf_of.map((principal) => ` for ${principal}`).join('')
  return [
    ['Approval', approval.approval_id],
    ['State', waitState(approval)],
    ['Automation', approval.automation],
    ['Run', approval.run_id],
    ['Asked for by', `${requester.principal} (${requester.kind})${chain}`],
    ...(approval.question === null
      ? [
          ['Write', `${preview.connection} · ${preview.operation} · ${preview.target}`] as const,
          ['Guard', GUARDS[preview.guard]] as const,
          ['Needs', `${needText(approval.requirement)} (${ruleText(approval.requirement)})`] as const,
        ]
      : questionFields(approval, approval.question)),
    ...(approval.waits_for === null ? [] : [['Waits for', missingText(approval)] as const]),
    ...votes.map((vote): Field => {
      const { at, comment } = vote
      return ['Vote', `${voteText(approval, vote)} at ${at}${comment === '' ? '' : `: ${comment}`}`]
    }),
    ['Expires', approval.expires_at],
    ['Digest', approval.digest],
    ...linkField(approval.temporal_ui_url),
  ]
}

function questionFields({ answer, requirement }: ApprovalView, { title, form }: Question): Field[] {
  return [
    ['Question', title],
    ['Asked of', needText(requirement)],
    ['Form', valueText(form)],
    ...(answer === null ? [] : [['Answer', valueText(answer)] as const]),
  ]
}

const GUARDS = {
  atomic: 'atomic: refused if the target has changed meanwhile',
  checked: 'checked: the target is looked at just before the write',
  none: 'none: nothing notices if the target has changed meanwhile',
}

function ruleText({ policy, rule }: ApprovalView['requirement']): string {
  return `policy ${policy}, rule ${rule}`
}

/** Whole values: whoever approves must see all of what is written. */
export function changeLines(approval: ApprovalView): string[] {
  if (approval.question !== null) return plainText(approval.question.markdown).split('\n').map(visible)
  const { changes } = approval.preview
  if (changes.length === 0) return ['(no fields are listed for this write)']
  const rows = changes.map(({ field, before, after }) => [field, valueText(before), valueText(after)])
  return tableLines(['FIELD', 'BEFORE', 'AFTER'], rows)
}

/** For standard error: the same, as lines. */
export function fieldLines(fields: readonly Field[]): string[] {
  const width = Math.max(...fields.map(([label]) => label.length))
  return fields.map(([label, value]) => `${label.padEnd(width)}  ${visible(value)}`)
}

/** They are numbered without gaps, and the last ones are shown. */
export function receiptCount({ receipts }: Run): number {
  return receipts.at(-1)?.seq ?? 0
}

export function runFields(run: Run): Field[] {
  const { failure } = run
  return [
    ['Run', run.run_id],
    ['State', run.state],
    ['Automation', `${run.automation}, revision ${run.revision}`],
    ['Started by', `${run.requester.principal} (${run.requester.kind}), ${run.source}`],
    ['Received', run.received_at],
    ...(run.closed_at === null ? [] : [['Closed', run.closed_at] as const]),
    ['Input', valueText(run.input)],
    ...(run.state === 'completed' ? [['Result', valueText(run.result)] as const] : []),
    ...(failure === null ? [] : [['Failure', `${failure.code}: ${failure.message}`] as const]),
    ['Receipts', String(receiptCount(run))],
    ...linkField(run.temporal_ui_url),
  ]
}

/** Nothing where the deployment does not say where its Temporal UI is. */
export function linkField(url: string | null): Field[] {
  return url === null ? [] : [['Temporal UI', url]]
}
