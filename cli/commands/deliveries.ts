/** `countersign deliveries`: what has arrived, what it started, and what it did not start, and why. */
import type { Command } from 'commander'
import { apiCommand, describedCommand, openApi, type ApiOptions } from '../context.ts'
import { addListOptions, listQuery, tellNextPage, type ListOptions } from '../filters.ts'
import { printFields, printJson, printLine, printTable, visible } from '../output.ts'

const STATES = ['pending', 'started'] as const

export function registerDeliveries(program: Command): void {
  const deliveries = describedCommand(program, {
    usage: 'deliveries',
    summary: 'look at what has arrived, and what it started',
    examples: ['deliveries list'],
  })
  addListOptions(
    apiCommand(deliveries, {
      usage: 'list',
      summary: 'list deliveries, newest first',
      examples: ['deliveries list --connection billing --since 24h', 'deliveries list --state pending'],
    }),
    { states: STATES, automation: true, connection: true, span: true },
  ).action(list)
  apiCommand(deliveries, {
    usage: 'show <delivery>',
    summary: 'show a delivery: who sent it, which runs it started, what it did not start',
    examples: ['deliveries show dlv_7c0d…'],
  }).action(show)
}

async function list(options: ApiOptions & ListOptions<(typeof STATES)[number]>): Promise<void> {
  const page = await openApi(options).listDeliveries(listQuery(options))
  if (options.json) return printJson(page)
  const rows = page.items.map((each) => [
    each.delivery_id,
    each.source,
    stateText(each),
    String(each.runs.length),
    each.received_at,
  ])
  printTable(['DELIVERY', 'SOURCE', 'STATE', 'RUNS', 'RECEIVED'], rows, 'There are no such deliveries.')
  tellNextPage(page.next_cursor, options)
}

/** What is taken care of and had nothing to start has not started anything. */
function stateText({ state, runs }: { state: string; runs: readonly unknown[] }): string {
  return state === 'started' && runs.length === 0 ? 'starts nothing' : state
}

async function show(deliveryId: string, options: ApiOptions): Promise<void> {
  const delivery = await openApi(options).getDelivery({ delivery_id: deliveryId })
  if (options.json) return printJson(delivery)
  const { requester, last_error: lastError, started_at: startedAt, runs, skipped } = delivery
  printFields([
    ['Delivery', delivery.delivery_id],
    ['State', stateText(delivery)],
    ['Source', delivery.source],
    ['Sent by', `${requester.principal} (${requester.kind})`],
    ['Recognised by', delivery.dedupe_key],
    ['Received', delivery.received_at],
    ...(startedAt === null ? [] : [['Started', startedAt] as const]),
    ...(lastError === null ? [] : [['Last error', `${lastError} (${delivery.attempts} attempts)`] as const]),
  ])
  printLine()
  const started = runs.map(({ run_id, automation, revision }) => [run_id, automation, String(revision)])
  const { nothing_because: why } = delivery
  printTable(
    ['RUN', 'AUTOMATION', 'REVISION'],
    started,
    `It starts no run.${why === null ? '' : ` ${visible(why)}`}`,
  )
  if (skipped.length === 0) return
  printLine()
  const rows = skipped.map(({ automation, code, detail }) => [automation, code, detail])
  printTable(['NOT STARTED', 'CODE', 'WHY'], rows, '')
}
