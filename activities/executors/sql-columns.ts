/**
 * Parts of the statements: the row is always `t`, and what the target makes of the new values always `s`. Identifiers come
 * from the connection's manifest and are quoted; values are parameters.
 */
import type { JsonValue } from '../../lib/json.ts'
import type { RowAddress } from './sql-statements.ts'
import type { StoredRow } from './sql-values.ts'

/** A row of the table's type that has these values; a value that does not fit its column fails here. */
export function castRow(
  { address, set }: { address: RowAddress; set: Record<string, unknown> },
  values: unknown[],
): string {
  values.push(JSON.stringify(set))
  return `json_populate_record(null::${tableOf(address)}, $${values.length}::json)`
}

/** A value as the target writes it: as its text, and in JSON, where numbers have all their digits. */
export function pairOf(row: 't' | 's', column: string): string {
  return `pg_catalog.json_build_array(${textOf(row, column)}, ${row}.${quote(column)})::text`
}

/**
 * By the output function of its type, whose text the input function reads back as the same value. A cast to text may be
 * somebody's own function, and says anything. A truth is `true` and not `t`, as in JSON. `is null` would also be true of
 * a row of nulls.
 */
function textOf(row: 't' | 's', column: string): string {
  const name = `${row}.${quote(column)}`
  return `case when pg_catalog.num_nulls(${name}) = 1 then null
    when pg_catalog.pg_typeof(${name}) = 'boolean'::regtype then pg_catalog.to_json(${name}) #>> '{}'
    else pg_catalog.format('%s', ${name}) end`
}

/** That the key and the new values are still what the plan says, for a statement that holds the row. */
export function asPlanned(
  { set, stored }: { set: Record<string, unknown>; stored: Pick<StoredRow, 'key' | 'set'> },
  values: unknown[],
): string {
  const isSame = (row: 't' | 's', column: string, pair: string): string => {
    values.push(pair)
    return `${pairOf(row, column)} collate "C" = $${values.length}`
  }
  const key = Object.entries(stored.key).map(([column, pair]) => isSame('t', column, pair))
  const written = Object.keys(set).map((column) => {
    const same = isSame('s', column, stored.set[column] ?? '')
    return namesMoment(set[column]) ? `(${same} or ${isTime(column)})` : same
  })
  return [...key, ...written].join(' and ')
}

/**
 * That columns of the row `t` still have the texts that were read of them: `=` of the column's own type may call several
 * values the same, such as `a` and `A`.
 */
export function unchanged(columns: Record<string, unknown>, values: unknown[]): string {
  const parts = Object.entries(columns).map(([column, text]) => {
    values.push(text)
    return `${textOf('t', column)} collate "C" is not distinct from $${values.length}`
  })
  return parts.length > 0 ? parts.join(' and ') : 'true'
}

/** Such a word was a moment when the write was planned, and is another one now. */
function namesMoment(value: unknown): boolean {
  return typeof value === 'string' && /now|today|tomorrow|yesterday/i.test(value)
}

function isTime(column: string): string {
  const types = ['timestamptz', 'timestamp', 'date', 'timetz', 'time'].map((type) => `'${type}'::regtype`)
  return `pg_typeof(s.${quote(column)}) in (${types.join(', ')})`
}

/** Of the row `t`. Null means null; a parameter without a cast takes the column's type, and lists and objects are cast as new values are. */
export function conditions(address: RowAddress, columns: Record<string, unknown>, values: unknown[]): string {
  const parts = Object.entries(columns).map(([column, value]) => {
    if (value === null) return `t.${quote(column)} is null`
    if (typeof value === 'object')
      return `t.${quote(column)} = (${castRow({ address, set: { [column]: value } }, values)}).${quote(column)}`
    values.push(String(value as JsonValue))
    return `t.${quote(column)} = $${values.length}`
  })
  return parts.length > 0 ? parts.join(' and ') : 'true'
}

export function tableOf(address: RowAddress): string {
  return `${quote(address.schema)}.${quote(address.table)}`
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}
