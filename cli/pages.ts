/** Options of the commands that list in pages. */
import { InvalidArgumentError, type Command } from 'commander'
import { note } from './output.ts'

export interface PageOptions {
  limit?: number
  cursor?: string
}

export function addPageOptions(command: Command): Command {
  return command
    .option('--limit <number>', 'how many, at most 100', parseLimit)
    .option('--cursor <cursor>', 'where the page before this one ended')
}

export function pageInput({ limit, cursor }: PageOptions): { limit?: number; cursor?: string } {
  return { ...(limit === undefined ? {} : { limit }), ...(cursor === undefined ? {} : { cursor }) }
}

export function tellNextPage(cursor: string | null): void {
  if (cursor !== null) note(`There are more: add --cursor ${cursor}`)
}

function parseLimit(text: string): number {
  const limit = Number(text)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 100.')
  }
  return limit
}
