/**
 * Pages of rows that hold values of people: previews and outputs of up to some megabytes each. A page ends early where
 * they would be too much together, and has at least one row. Cut by the database, so that no process ever holds more.
 */

/** Of the rows of one page as JSON. To parse, check and write them takes others a tenth of a second. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024

export interface CutRows<Row> {
  rows: Row[]
  /** There are more of those that were asked for. */
  isCut: boolean
}

/**
 * The same for rows each of which may be large: they are sized one after the other, so that of all those that
 * could be on the page only those are read that fit, and one more. `keys` selects `key`, and at most `$1` of them
 * are taken; `size` is of the row with `listed.key`. Gives the beginning of a statement, for which there are
 * `page(key, place, bytes)` and `total(found)`.
 */
export function walkPage({ keys, order, size }: { keys: string; order: string; size: string }): string {
  return `with recursive ordered as materialized (
      select *, (row_number() over (order by ${order}))::integer as place from (${keys} order by ${order} limit $1) keys),
    page as (
      select listed.key, listed.place, (${size})::bigint as bytes from ordered listed where listed.place = 1
      union all
      select sized.key, sized.place, page.bytes + sized.bytes from page cross join lateral (
        select listed.key, listed.place, (${size})::bigint as bytes from ordered listed
        where listed.place = page.place + 1 offset 0) sized
      where page.bytes + sized.bytes <= ${MAX_PAGE_BYTES}),
    total as (select count(*)::integer as found from ordered)`
}

interface Marks {
  found: number
  place: number
  bytes: string
}

/** `page` is a select with a limit; `order` is the one that it is limited by. The result is in that order. */
export function cutPage(page: string, order: string): string {
  return `select * from (
      select page.*, (count(*) over ())::integer as found, (row_number() over (order by ${order}))::integer as place,
        sum(octet_length(to_jsonb(page)::text)) over (order by ${order} rows unbounded preceding) as bytes
      from (${page} order by ${order} limit $1) page) sized
    where place = 1 or bytes <= ${MAX_PAGE_BYTES} order by place`
}

export function cutRows<Row extends object>(rows: readonly (Row & Marks)[]): CutRows<Row> {
  const isCut = (rows[0]?.found ?? 0) > rows.length
  return {
    rows: rows.map(({ found: _found, place: _place, bytes: _bytes, ...row }) => row as unknown as Row),
    isCut,
  }
}

export type Marked<Row> = Row & Marks
