/** How approvals and runs appear to people, for the commands that show them. */
import type { ApprovalView } from '../../schemas/operations/views.ts'
import type { RunView } from '../../schemas/operations/runs.ts'
import { plainText } from '../../lib/shown-text.ts'
import { tableLines, valueText, visible } from '../output.ts'
import { needText } from './words.ts'

export type Run = RunView

type Field = readonly [string, string]

export function approvalFields(approval: ApprovalView): Field[] {
  const { preview, requester, votes } = approval
  const chain = requester.on_behalf_of.map((principal) => ` for ${principal}`).join('')
  return [
    ['Approval', approval.approval_id],
    ['State', approval.state],
    ['Automation', approval.automation],
    ['Run', approval.run_id],
    ['Asked for by', `${requester.principal} (${requester.kind})${chain}`],
    ...(approval.question === null
      ? []
      : [
          ['Question', approval.question.title] as const,
          ['Form', valueText(approval.question.form)] as const,
          ['Answer', valueText(approval.answer)] as const,
        ]),
    ['Write', `${preview.connection} · ${preview.operation} · ${preview.target}`],
    ['Guard', GUARDS[preview.guard]],
    ['Needs', `${needText(approval.requirement)} (${ruleText(approval.requirement)})`],
    ...votes.map(({ principal, verdict, at, comment }): Field => {
      return ['Vote', `${verdict} by ${principal} at ${at}${comment === '' ? '' : `: ${comment}`}`]
    }),
    ['Expires', approval.expires_at],
    ['Digest', approval.digest],
    ...linkField(approval.temporal_ui_url),
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
    ['Receipts', String(run.receipts.length)],
    ...linkField(run.temporal_ui_url),
  ]
}

/** Nothing where the deployment does not say where its Temporal UI is. */
export function linkField(url: string | null): Field[] {
  return url === null ? [] : [['Temporal UI', url]]
}
