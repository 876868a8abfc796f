/** `countersign approvals`: what waits for people, and what became of it. */
import { Option, type Command } from 'commander'
import type { OperationInput } from '../../schemas/operations/operation.ts'
import { ApprovalStateSchema } from '../../schemas/operations/views.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { printFields, printJson, printLine, printTable } from '../output.ts'
import { addPageOptions, pageInput, tellNextPage, type PageOptions } from '../pages.ts'
import { approvalFields, changeLines } from '../views.ts'

interface ListOptions extends ApiOptions, PageOptions {
  state: NonNullable<OperationInput<Operations['listApprovals']>['state']>
  run?: string
}

export function registerApprovals(program: Command): void {
  const approvals = describedCommand(program, {
    usage: 'approvals',
    summary: 'look at what waits for people',
    examples: ['approvals list'],
  })
  addPageOptions(
    apiCommand(approvals, {
      usage: 'list',
      summary: 'list approvals, oldest first: those that wait, unless another state is asked for',
      examples: ['approvals list', 'approvals list --state all --run run_0f3c…'],
    })
      .addOption(
        new Option('--state <state>', 'state')
          .choices([...ApprovalStateSchema.options, 'all'])
          .default('waiting'),
      )
      .option('--run <run>', 'only those of this run'),
  ).action(list)
  apiCommand(approvals, {
    usage: 'show <approval>',
    summary: 'show an approval: what would be written, who is asked, who has voted',
    examples: ['approvals show wb_5d1f….waive.1'],
  }).action(show)
}

async function list(options: ListOptions): Promise<void> {
  const page = await openApi(options).listApprovals({
    ...pageInput(options),
    state: options.state,
    ...(options.run === undefined ? {} : { run_id: options.run }),
  })
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
  tellNextPage(page.next_cursor)
}

async function show(approvalId: string, options: ApiOptions): Promise<void> {
  const approval = await openApi(options).getApproval({ approval_id: approvalId })
  if (options.json) return printJson(approval)
  printFields(approvalFields(approval))
  printLine()
  for (const line of changeLines(approval)) printLine(line)
}
