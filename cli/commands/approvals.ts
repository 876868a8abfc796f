/** `countersign approvals`: what waits for people, and what became of it. */
import type { Command } from 'commander'
import type { OperationInput } from '../../schemas/operations/operation.ts'
import { ApprovalStateSchema } from '../../schemas/operations/views.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { printFields, printJson, printLine, printTable } from '../output.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { approvalFields, changeLines } from '../render/fields.ts'
import { registerNext } from './next.ts'

type ListState = NonNullable<OperationInput<Operations['listApprovals']>['state']>

export function registerApprovals(program: Command): void {
  const approvals = describedCommand(program, {
    usage: 'approvals',
    summary: 'look at what waits for people, walk through what waits for you',
    examples: ['approvals next', 'approvals list'],
  })
  addListOptions(
    apiCommand(approvals, {
      usage: 'list',
      summary: 'list approvals, oldest first: those that wait, unless another state is asked for',
      examples: ['approvals list', 'approvals list --state all --run run_0f3c…'],
    }),
    {
      states: [...ApprovalStateSchema.options, 'all'],
      state: 'waiting',
      run: true,
      automation: true,
      connection: true,
      span: true,
    },
  ).action(list)
  apiCommand(approvals, {
    usage: 'show <approval>',
    summary: 'show an approval: what would be written, who is asked, who has voted',
    examples: ['approvals show wb_5d1f….waive.1'],
  }).action(show)
  registerNext(approvals)
}

async function list(options: ApiOptions & ListOptions<ListState>): Promise<void> {
  const page = await openApi(options).listApprovals(listQuery(options))
  if (options.json) return printJson(page)
  const rows = page.items.map(({ approval_id, automation, preview, state, expires_at }) => [
    approval_id,
    automation,
    preview.target,
    state,
    expires_at,
  ])
  const empty =
    options.state === 'waiting' ? 'Nothing waits for an approval.' : 'There are no such approvals.'
  printTable(['APPROVAL', 'AUTOMATION', 'TARGET', 'STATE', 'EXPIRES'], rows, empty)
  tellNextPage(page.next_cursor, options)
}

async function show(approvalId: string, options: ApiOptions): Promise<void> {
  const approval = await openApi(options).getApproval({ approval_id: approvalId })
  if (options.json) return printJson(approval)
  printFields(approvalFields(approval))
  printLine()
  for (const line of changeLines(approval)) printLine(line)
}
