/**
 * Pages of lists. A cursor is opaque to callers: base64url of where the page ended, and of the list and the filters it
 * belongs to, so that one that is taken elsewhere is refused instead of giving a page of something else.
 */
import { z } from 'zod'
import { digestOf } from '../lib/canonical-json.ts'
import type { JsonValue } from '../lib/json.ts'
import { CodedError } from '../schemas/errors.ts'

export interface Page<Item> {
  items: Item[]
  next_cursor: string | null
}

type Query = Record<string, unknown> & { limit: number; cursor?: string | undefined }

const CursorSchema = z.tuple([z.string(), z.unknown()])
const LIST_DIGITS = 12

/** One list, as somebody asked for it. */
export interface Listing<Position> {
  /** One more than is shown: it tells whether there is a next page. */
  limit: number
  /** Where the page before ended. */
  after: Position | undefined
  page<Row, Item>(
    rows: readonly Row[],
    /** `isCut`: there are more rows, although these are fewer than the page takes. */
    render: { item: (row: Row) => Item; position: (row: Row) => Position; isCut?: boolean },
  ): Page<Item>
  /** A page that is not cut out of rows. */
  cursorAt(position: Position): string
}

/** Throws INVALID_INPUT for a cursor that this list, with these filters, did not give. */
export function openList<Schema extends z.ZodType>(
  name: string,
  query: Query,
  PositionSchema: Schema,
): Listing<z.output<Schema>> {
  const { limit, cursor, ...filters } = query
  const list = digestOf([name, definedOf(filters)]).slice(0, LIST_DIGITS)
  const cursorAt = (position: unknown): string =>
    Buffer.from(JSON.stringify([list, position]), 'utf8').toString('base64url')
  return {
    limit: limit + 1,
    after: cursor === undefined ? undefined : readCursor(cursor, list, PositionSchema),
    page(rows, render) {
      const shown = rows.slice(0, limit)
      const last = shown.at(-1)
      const hasMore = (render.isCut === true || rows.length > limit) && last !== undefined
      return {
        items: shown.map(render.item),
        next_cursor: hasMore ? cursorAt(render.position(last)) : null,
      }
    },
    cursorAt,
  }
}

function readCursor<Schema extends z.ZodType>(
  cursor: string,
  list: string,
  PositionSchema: Schema,
): z.output<Schema> {
  const [ofList, position] = CursorSchema.safeParse(decodeCursor(cursor)).data ?? []
  if (ofList !== undefined && ofList !== list) {
    throw badCursor('it belongs to another list, or to other filters')
  }
  const parsed = PositionSchema.safeParse(position)
  if (ofList === undefined || !parsed.success) throw badCursor('it is not one that a list gave')
  return parsed.data
}

export function badCursor(why: string): CodedError {
  return new CodedError('INVALID_INPUT', `(querystring).cursor: ${why}. Leave it out to begin anew.`)
}

function definedOf(filters: Record<string, unknown>): JsonValue {
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined)) as Record<
    string,
    JsonValue
  >
}

function decodeCursor(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}

/** Of a row in a list that goes by age. To the microsecond. */
export const TimePositionSchema = z.object({ createdAt: z.iso.datetime({ offset: true }), id: z.string() })

export const NamePositionSchema = z.string()
