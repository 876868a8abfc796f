/** `countersign approvals`: what waits for people, and what became of it. */
import type { Command } from 'commander'
import type { OperationInput } from '../../schemas/operations/operation.ts'
import { ApprovalStateSchema, type ApprovalView } from '../../schemas/operations/views.ts'
import type { Operations } from '../../schemas/operations.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { UsageError } from '../errors.ts'
import { note, printFields, printJson, printLine, printTable } from '../output.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { approvalFields, changeLines } from '../render/fields.ts'
import { changeText, missingText, waitState } from '../render/words.ts'
import { registerNext, waitingFor } from './next.ts'

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
      examples: ['approvals list', 'approvals list --mine', 'approvals list --state all --run run_0f3c…'],
    }),
    {
      states: [...ApprovalStateSchema.options, 'all'],
      state: 'waiting',
      run: true,
      automation: true,
      connection: true,
      span: true,
    },
  )
    .option('--mine', 'only those that you may decide or answer now')
    .action(list)
  apiCommand(approvals, {
    usage: 'show <approval>',
    summary: 'show an approval: what would be written, who is asked, who has voted',
    examples: ['approvals show wb_5d1f….waive.1'],
  }).action(show)
  registerNext(approvals)
}

type ApprovalListOptions = ApiOptions & ListOptions<ListState> & { mine?: boolean }

async function list(options: ApprovalListOptions): Promise<void> {
  const page = options.mine
    ? await listMine(options)
    : await openApi(options).listApprovals(listQuery(options))
  if (options.json) return printJson(page)
  const rows = page.items.map((approval) => [
    approval.approval_id,
    approval.automation,
    approval.question === null ? approval.preview.target : 'question',
    approval.question === null ? changeText(approval) : approval.question.title,
    missingText(approval),
    waitState(approval),
    approval.expires_at,
  ])
  const empty =
    options.state === 'waiting' ? 'Nothing waits for an approval.' : 'There are no such approvals.'
  printTable(HEADERS, rows, empty)
  if (options.mine && page.next_cursor !== null) note('There are more: add --limit, or decide about these.')
  else tellNextPage(page.next_cursor, options)
}

const HEADERS = ['APPROVAL', 'AUTOMATION', 'TARGET', 'WHAT', 'WAITS FOR', 'STATE', 'EXPIRES']
const DEFAULT_MINE = 50

/** What the caller may decide is judged here, with the rules of the approval: a page of it may take many of the API. */
async function listMine(options: ApprovalListOptions) {
  const { state, cursor, run, since, until, limit = DEFAULT_MINE } = options
  const others = { cursor, run, since, until, state: state === 'waiting' ? undefined : state }
  const [other] = Object.entries(others).filter(([, value]) => value !== undefined)
  if (other) throw new UsageError(`--mine does not go with --${other[0]}.`, 'Leave one of them out.')
  const client = openApi(options)
  const items: ApprovalView[] = []
  for await (const approval of waitingFor(client, await client.whoAmI(), options)) {
    if (items.length === limit) return { items, next_cursor: '' }
    items.push(approval)
  }
  return { items, next_cursor: null }
}

async function show(approvalId: string, options: ApiOptions): Promise<void> {
  const approval = await openApi(options).getApproval({ approval_id: approvalId })
  if (options.json) return printJson(approval)
  printFields(approvalFields(approval))
  printLine()
  for (const line of changeLines(approval)) printLine(line)
}
