/** Options of the commands that list, in one form for all of them: pages, and filters where the API has them. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { durationMs, DurationSchema } from '../schemas/common.ts'
import { note } from './output.ts'

export interface ListOptions<State extends string = string> {
  limit?: number
  cursor?: string
  state?: State
  automation?: string
  connection?: string
  run?: string
  since?: string
  until?: string
}

interface Filters {
  /** The states that can be asked for, and the one that is unless told. */
  states?: readonly string[]
  state?: string
  automation?: boolean
  connection?: boolean
  run?: boolean
  span?: boolean
  maxLimit?: number
}

export function addListOptions(command: Command, filters: Filters = {}): Command {
  const { states, state, maxLimit = 100 } = filters
  if (states) {
    const option = new Option('--state <state>', 'only those in this state').choices(states)
    command.addOption(state === undefined ? option : option.default(state))
  }
  if (filters.automation) command.option('--automation <name>', 'only those of this automation')
  if (filters.connection) command.option('--connection <name>', 'only those of this connection')
  if (filters.run) command.option('--run <run>', 'only those of this run')
  if (filters.span) {
    command
      .option(
        '--since <when>',
        'only from then on: 2026-11-02, a full time, or how long ago: 90m, 7d',
        toTime,
      )
      .option('--until <when>', 'only before then', toTime)
  }
  return command
    .option('--limit <number>', `how many, at most ${maxLimit}`, (text) => toLimit(text, maxLimit))
    .option('--cursor <cursor>', 'where the page before this one ended')
}

interface ListQuery<State extends string> {
  limit?: number
  cursor?: string
  state?: State
  automation?: string
  connection?: string
  run_id?: string
  since?: string
  until?: string
}

/** What was given, as the API names it. */
export function listQuery<State extends string = never>(options: ListOptions<State>): ListQuery<State> {
  const { limit, cursor, state, automation, connection, run, since, until } = options
  return {
    ...(limit === undefined ? {} : { limit }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(state === undefined ? {} : { state }),
    ...(automation === undefined ? {} : { automation }),
    ...(connection === undefined ? {} : { connection }),
    ...(run === undefined ? {} : { run_id: run }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  }
}

/** With the times as they were resolved: a cursor fits these, and not what `24h` means at the next call. */
export function tellNextPage(
  cursor: string | null,
  { since, until }: Pick<ListOptions, 'since' | 'until'> = {},
): void {
  if (cursor === null) return
  const times = [since && `--since ${since} `, until && `--until ${until} `]
  note(`There are more: add ${times.filter((part) => part !== undefined).join('')}--cursor ${cursor}`)
}

function toLimit(text: string, max: number): number {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > max) {
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`)
  }
  return limit
}

/** The time that is this duration from now. */
export function timeAfter(text: string): string {
  if (DurationSchema.safeParse(text).success) return new Date(Date.now() + durationMs(text)).toISOString()
  throw new InvalidArgumentError('It must be such as 12h or 30d, and at most 366 days.')
}

const DAY = /^\d{4}-\d{2}-\d{2}$/
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/

/** A day begins at midnight in UTC. */
export function toTime(text: string): string {
  if (DurationSchema.safeParse(text).success) return new Date(Date.now() - durationMs(text)).toISOString()
  const atMs = DAY.test(text) || TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(atMs)) {
    throw new InvalidArgumentError('It must be such as 2026-11-02, 2026-11-02T09:00:00Z, 90m or 7d.')
  }
  return new Date(atMs).toISOString()
}
