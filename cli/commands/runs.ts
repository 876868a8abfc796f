/** `countersign runs`: look at runs, follow one, cancel one. */
import type { Command } from 'commander'
import { shellWord } from '../../lib/shell-text.ts'
import type { StepManifest } from '../../schemas/steps.ts'
import { RunStateSchema, type RunView } from '../../schemas/operations/runs.ts'
import { ApiError, type Client } from '../../sdk/client/index.ts'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { note, printJson, printLine, printTable, styled } from '../output.ts'
import { storyOf } from '../render/story.ts'
import { toldReceipts } from './receipts.ts'
import { registerWatch } from './watch.ts'

const ListStateSchema = RunStateSchema.exclude(['no_longer_kept'])
type ListState = (typeof ListStateSchema.options)[number]

export function registerRuns(program: Command): void {
  const runs = describedCommand(program, {
    usage: 'runs',
    summary: 'look at runs, follow one, cancel one',
    examples: ['runs list', 'runs watch run_0f3c…'],
  })
  addListOptions(
    apiCommand(runs, {
      usage: 'list',
      summary: 'list runs, newest first',
      examples: ['runs list --automation late-fee', 'runs list --state failed --since 24h'],
    }),
    { states: ListStateSchema.options, automation: true, connection: true, span: true },
  ).action(list)
  apiCommand(runs, {
    usage: 'show <run>',
    summary:
      'tell what happened in a run: what started it, each step, who was asked and decided, the receipts',
    examples: ['runs show run_0f3c…'],
  }).action(show)
  registerWatch(runs)
  apiCommand(runs, {
    usage: 'cancel <run>',
    summary: 'ask Temporal to cancel a run; a write under way still ends with its outcome',
    examples: ['runs cancel run_0f3c…'],
  }).action(cancel)
}

async function list(options: ApiOptions & ListOptions<ListState>): Promise<void> {
  const page = await openApi(options).listRuns(listQuery(options))
  if (options.json) return printJson(page)
  const rows = page.items.map((run) => [
    run.run_id,
    run.automation,
    run.state ?? 'Temporal is away',
    run.source,
    run.received_at,
  ])
  printTable(['RUN', 'AUTOMATION', 'STATE', 'SOURCE', 'RECEIVED'], rows, 'There are no such runs.')
  tellNextPage(page.next_cursor, options)
}

async function show(runId: string, options: ApiOptions): Promise<void> {
  const client = openApi(options)
  const run = await client.getRun({ run_id: runId })
  if (options.json) return printJson(run)
  const receipts = run.receipts.length === 0 ? [] : await toldReceipts(client, runId)
  const { title, parts } = storyOf(run, await stepsOf(client, run), receipts)
  printLine(styled('bold', title))
  for (const lines of parts) {
    printLine()
    for (const line of lines) printLine(line)
  }
  if (run.writebacks_omitted)
    note(`There are more writes: countersign writebacks list --run ${shellWord(runId)}`)
  if (run.approvals_omitted) {
    note(`There are more approvals: countersign approvals list --state all --run ${shellWord(runId)}`)
  }
}

/** Of the revision that the run is pinned to; undefined if that is gone. */
async function stepsOf(
  client: Client,
  { automation, revision }: RunView,
): Promise<StepManifest[] | undefined> {
  try {
    const saved = await client.getManifest({ kind: 'Automation', name: automation, revision })
    if (saved.manifest.kind !== 'Automation') return undefined
    return saved.manifest.spec.steps
  } catch (error) {
    if (error instanceof ApiError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}

async function cancel(runId: string, options: ApiOptions): Promise<void> {
  const answer = await openApi(options).cancelRun({ run_id: runId })
  if (options.json) return printJson(answer)
  printLine(`${answer.run_id}: the cancellation is requested.`)
}
