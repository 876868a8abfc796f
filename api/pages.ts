/** Pages of lists. A cursor is opaque to callers: base64url of where the page ended. */
import { z } from 'zod'
import { CodedError } from '../schemas/errors.ts'

export interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

/** `rows` holds one more than asked for if there is a next page. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  render: { item: (row: Row) => Item; position: (row: Row) => unknown },
): Page<Item> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const hasMore = rows.length > limit && last !== undefined
  return {
    items: shown.map(render.item),
    next_cursor: hasMore ? encodeCursor(render.position(last)) : null,
  }
}

/** Throws INVALID_INPUT for what we did not make. */
export function readCursor<Schema extends z.ZodType>(
  cursor: string | undefined,
  schema: Schema,
): z.output<Schema> | undefined {
  if (cursor === undefined) return undefined
  const position = schema.safeParse(decodeCursor(cursor))
  if (position.success) return position.data
  throw new CodedError('INVALID_INPUT', 'The cursor is not one that this list gave.')
}

function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position), 'utf8').toString('base64url')
}

function decodeCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
