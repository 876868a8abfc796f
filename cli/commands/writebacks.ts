/** `countersign writebacks`: writes to the outside, and what became of them. */
import type { Command } from 'commander'
import { WritebackStateSchema, type ApprovalView } from '../../schemas/operations/views.ts'
import { itemsOf, type Client } from '../../sdk/client/index.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { printFields, printJson, printLine, printTable, tableLines, valueText, note } from '../output.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { decideCommand, missingText } from '../render/words.ts'
import { registerResolve } from './resolve.ts'

type State = (typeof WritebackStateSchema.options)[number]

export function registerWritebacks(program: Command): void {
  const writebacks = describedCommand(program, {
    usage: 'writebacks',
    summary: 'look at writes and their outcomes, resolve one of unknown outcome',
    examples: ['writebacks list'],
  })
  addListOptions(
    apiCommand(writebacks, {
      usage: 'list',
      summary: 'list writebacks, newest first',
      examples: ['writebacks list --run run_0f3c…', 'writebacks list --state unknown'],
    }),
    { states: WritebackStateSchema.options, run: true, automation: true, connection: true, span: true },
  ).action(list)
  apiCommand(writebacks, {
    usage: 'show <writeback>',
    summary: 'show a writeback and its outcome',
    examples: ['writebacks show wb_5d1f….waive.1'],
  }).action(show)
  registerResolve(writebacks)
}

async function list(options: ApiOptions & ListOptions<State>): Promise<void> {
  const page = await openApi(options).listWritebacks(listQuery(options))
  if (options.json) return printJson(page)
  const rows = page.items.map(({ writeback_id, automation, preview, state }) => [
    writeback_id,
    automation,
    preview.target,
    state,
  ])
  printTable(['WRITEBACK', 'AUTOMATION', 'TARGET', 'STATE'], rows, 'There are no writebacks.')
  tellNextPage(page.next_cursor, options)
}

async function show(writebackId: string, options: ApiOptions): Promise<void> {
  const client = openApi(options)
  const writeback = await client.getWriteback({ writeback_id: writebackId })
  if (options.json) return printJson(writeback)
  const waiting = writeback.state === 'planned' ? await waitingFor(client, writeback) : []
  const { preview, outcome, requester } = writeback
  printFields([
    ['Writeback', writeback.writeback_id],
    ['State', writeback.state],
    ['Automation', `${writeback.automation}, revision ${writeback.revision}, step ${writeback.path}`],
    ['Run', writeback.run_id],
    ['Asked for by', `${requester.principal} (${requester.kind})`],
    ['Write', `${preview.connection} · ${preview.operation} · ${preview.target}`],
    ...waiting.map((approval) => ['Waits for', missingText(approval)] as const),
    ['Attempts', String(writeback.attempt)],
    ['Digest', writeback.digest],
    ...(outcome === null ? [] : [['Outcome', outcomeText(outcome)] as const]),
    ...(outcome === null
      ? []
      : [['Receipt', `${outcome.receipt.id} (number ${outcome.receipt.seq})`] as const]),
  ])
  for (const approval of waiting) note(`Decide: ${decideCommand(approval)}`)
  if (writeback.state === 'unknown') {
    note('Look at the target, then: countersign writebacks resolve … --as applied|not-applied')
  }
  if (preview.changes.length === 0) return
  printLine()
  const rows = preview.changes.map(({ field, before, after }) => [field, valueText(before), valueText(after)])
  for (const line of tableLines(['FIELD', 'BEFORE', 'AFTER'], rows)) printLine(line)
}

/** The page of a run in the Temporal UI sends people here to learn whom its write waits for. */
async function waitingFor(
  client: Client,
  { run_id, writeback_id }: { run_id: string; writeback_id: string },
): Promise<ApprovalView[]> {
  const found: ApprovalView[] = []
  for await (const approval of itemsOf(client.listApprovals, { run_id, state: 'waiting' as const }))
    if (approval.writeback_id === writeback_id) found.push(approval)
  return found
}

function outcomeText(outcome: {
  status: string
  output: unknown
  code: string | null
  message: string | null
}): string {
  const reason = [outcome.code, outcome.message].filter((part) => part !== null).join(': ')
  return [outcome.status, reason, outcome.output === null ? '' : valueText(outcome.output)]
    .filter((part) => part !== '')
    .join(' · ')
}
