/** What takes more than one call: a list page by page, the receipts of a run, and a run until it is over. */
import type { OPERATIONS } from '../../schemas/operations.ts'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import type { RunView } from '../../schemas/operations/runs.ts'
import type { CallOptions, Client } from './index.ts'

type ListOf<Query, Item> = (
  query?: Query,
  options?: CallOptions,
) => Promise<{ items: Item[]; next_cursor: string | null }>

/** Every item of a list, page by page: `for await (const run of itemsOf(client.listRuns, { state: 'failed' }))`. */
export async function* itemsOf<Query extends { cursor?: string | undefined }, Item>(
  list: ListOf<Query, Item>,
  query: Query,
  options: Omit<CallOptions, 'idempotencyKey'> = {},
): AsyncGenerator<Item, void, undefined> {
  let cursor = query.cursor
  for (;;) {
    const page = await list(cursor === undefined ? query : { ...query, cursor }, options)
    yield* page.items
    if (page.next_cursor === null) return
    cursor = page.next_cursor
  }
}

type ReceiptPage = OperationOutput<(typeof OPERATIONS)['listReceipts']>

/** The receipts of a run in order, page by page. The head of a page is that of the chain when the page was read. */
export async function* receiptPages(
  client: Pick<Client, 'listReceipts'>,
  runId: string,
  options: Omit<CallOptions, 'idempotencyKey'> = {},
): AsyncGenerator<ReceiptPage, void, undefined> {
  let cursor: string | null | undefined
  while (cursor !== null) {
    const known = cursor === undefined ? {} : { cursor }
    const page = await client.listReceipts({ run_id: runId, ...known }, options)
    yield page
    cursor = page.next_cursor
  }
}

/**
 * All receipts of a run, with the head that came with the last page: it covers all of them, also those that were added
 * while the pages were read.
 */
export async function receiptsOf(
  client: Pick<Client, 'listReceipts'>,
  runId: string,
  options: Omit<CallOptions, 'idempotencyKey'> = {},
): Promise<Omit<ReceiptPage, 'next_cursor'>> {
  const all: ReceiptPage['receipts'] = []
  for await (const { next_cursor, receipts, ...rest } of receiptPages(client, runId, options)) {
    all.push(...receipts)
    if (next_cursor === null) return { ...rest, receipts: all }
  }
  throw new Error(`The pages of the receipts of run ${runId} have no end.`)
}

export interface FollowOptions {
  /** Ends it; then `signal.reason` is thrown. */
  signal?: AbortSignal
  /** How long one request waits for a change. Shorter than the patience of any proxy between. */
  waitS?: number
}

const WAIT_S = 25
/** Beyond the wait, for the answer itself. */
const ANSWER_PATIENCE_MS = 20_000

/**
 * The run as it is now, and again after each change, until it is over. Changes that follow closely come as one. A
 * connection that breaks loses nothing: the next request says what is known already.
 */
export async function* followRun(
  client: Pick<Client, 'watchRun'>,
  runId: string,
  { signal, waitS = WAIT_S }: FollowOptions = {},
): AsyncGenerator<RunView, void, undefined> {
  let after: string | undefined
  const options = { timeoutMs: waitS * 1_000 + ANSWER_PATIENCE_MS, ...(signal ? { signal } : {}) }
  for (;;) {
    const known = after === undefined ? {} : { after }
    const { version, run, is_over } = await client.watchRun({ run_id: runId, wait: waitS, ...known }, options)
    after = version
    if (run) yield run
    if (is_over) return
  }
}
