/** `countersign runs`: look at runs, cancel one. */
import type { Command } from 'commander'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { printFields, printJson, printLine, printTable } from '../output.ts'
import { addPageOptions, pageInput, tellNextPage, type PageOptions } from '../pages.ts'
import { runFields } from '../views.ts'

interface ListOptions extends ApiOptions, PageOptions {
  automation?: string
}

export function registerRuns(program: Command): void {
  const runs = describedCommand(program, {
    usage: 'runs',
    summary: 'look at runs, cancel one',
    examples: ['runs list'],
  })
  addPageOptions(
    apiCommand(runs, {
      usage: 'list',
      summary: 'list runs, newest first',
      examples: ['runs list --automation late-fee'],
    }).option('--automation <name>', 'only those of this automation'),
  ).action(list)
  apiCommand(runs, {
    usage: 'show <run>',
    summary: 'show a run: state, result or failure, what it wrote and what it waits for',
    examples: ['runs show run_0f3c…'],
  }).action(show)
  apiCommand(runs, {
    usage: 'cancel <run>',
    summary: 'ask Temporal to cancel a run; a write under way still ends with its outcome',
    examples: ['runs cancel run_0f3c…'],
  }).action(cancel)
}

async function list(options: ListOptions): Promise<void> {
  const { automation } = options
  const page = await openApi(options).listRuns({
    ...pageInput(options),
    ...(automation === undefined ? {} : { automation }),
  })
  if (options.json) return printJson(page)
  const rows = page.items.map((run) => [run.run_id, run.automation, run.source, run.received_at])
  printTable(['RUN', 'AUTOMATION', 'SOURCE', 'RECEIVED'], rows, 'There are no runs.')
  tellNextPage(page.next_cursor)
}

async function show(runId: string, options: ApiOptions): Promise<void> {
  const run = await openApi(options).getRun({ run_id: runId })
  if (options.json) return printJson(run)
  printFields(runFields(run))
  if (run.approvals.length > 0) {
    printLine()
    const rows = run.approvals.map(({ approval_id, state, expires_at }) => [approval_id, state, expires_at])
    printTable(['APPROVAL', 'STATE', 'EXPIRES'], rows, '')
  }
  if (run.writebacks.length > 0) {
    printLine()
    const rows = run.writebacks.map(({ writeback_id, preview, state }) => [
      writeback_id,
      preview.target,
      state,
    ])
    printTable(['WRITEBACK', 'TARGET', 'STATE'], rows, '')
  }
}

async function cancel(runId: string, options: ApiOptions): Promise<void> {
  const answer = await openApi(options).cancelRun({ run_id: runId })
  if (options.json) return printJson(answer)
  printLine(`${answer.run_id}: the cancellation is requested.`)
}
