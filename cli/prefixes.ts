/** Ids that people have cut short: the first digits are enough where only one thing begins with them. */
import { itemsOf, type Client } from '../sdk/client/index.ts'
import { UsageError } from './errors.ts'

/** How far back is looked. Nobody types the id of something older. */
const MAX_LOOKED_AT = 1_000
const PAGE = 100
/** The digits of an id in part, with nothing behind them; an ellipsis is what tables and pages of ours cut with. */
const PREFIX = /^((?:run|wb|ask|dlv|key)_[0-9a-f]{1,32})…?$/
const WHOLE = /^(?:run|dlv|key)_[0-9a-f]{32}$/

const LISTS: Readonly<Record<string, (client: Client) => AsyncIterable<string>[]>> = {
  run_id: (client) => [idsOf(itemsOf(client.listRuns, { limit: PAGE }), ({ run_id }) => run_id)],
  writeback_id: (client) => [
    idsOf(itemsOf(client.listWritebacks, { limit: PAGE }), ({ writeback_id }) => writeback_id),
  ],
  // Those that wait first: they are asked for most, and the list of all begins with the oldest.
  approval_id: (client) =>
    (['waiting', 'all'] as const).map((state) =>
      idsOf(itemsOf(client.listApprovals, { state, limit: PAGE }), ({ approval_id }) => approval_id),
    ),
  delivery_id: (client) => [
    idsOf(itemsOf(client.listDeliveries, { limit: PAGE }), ({ delivery_id }) => delivery_id),
  ],
  key_id: (client) => [idsOf(itemsOf(client.listKeys, { limit: PAGE }), ({ id }) => id)],
}

/** The same client, which completes the ids that it is given. */
export function takingPrefixes(client: Client): Client {
  const known = new Map<string, Promise<string>>()
  const complete = (name: string, text: string): Promise<string> => {
    const found = known.get(text) ?? completed(client, name, text)
    known.set(text, found)
    return found
  }
  return new Proxy(client, {
    get: (target, property) => {
      const method: unknown = Reflect.get(target, property)
      if (typeof method !== 'function') return method
      return async (input: Record<string, unknown> = {}, call: unknown) => {
        const given = { ...input }
        for (const [name, value] of Object.entries(input)) {
          if (isPrefix(name, value)) given[name] = await complete(name, value)
        }
        return Reflect.apply(method, target, [given, call]) as unknown
      }
    },
  })
}

function isPrefix(name: string, value: unknown): value is string {
  return Object.hasOwn(LISTS, name) && typeof value === 'string' && PREFIX.test(value) && !WHOLE.test(value)
}

/** Of none or more than one, what it is told is what was given. */
async function completed(client: Client, name: string, text: string): Promise<string> {
  const [, prefix = ''] = PREFIX.exec(text) ?? []
  for (const ids of LISTS[name]?.(client) ?? []) {
    const matches = await matchesIn(ids, prefix)
    if (matches.length > 1) {
      throw new UsageError(
        `More than one id begins with ${prefix}: ${matches.join(', ')}.`,
        'Give more of it.',
      )
    }
    if (matches[0] !== undefined) return matches[0]
  }
  throw new UsageError(`Nothing that is kept, or not of late, begins with ${prefix}.`, 'Give the whole id.')
}

async function matchesIn(ids: AsyncIterable<string>, prefix: string): Promise<string[]> {
  const matches: string[] = []
  let count = 0
  for await (const id of ids) {
    if (id.startsWith(prefix)) matches.push(id)
    if (++count === MAX_LOOKED_AT || matches.length > 3) break
  }
  return matches
}

async function* idsOf<Item>(items: AsyncIterable<Item>, idOf: (item: Item) => string): AsyncIterable<string> {
  for await (const item of items) yield idOf(item)
}
