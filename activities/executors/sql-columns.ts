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
  const name = `${row}.${quote(column)}`
  return `json_build_array(${name}::text, ${name})::text`
}

/** That the key and the new values are still what the plan says, for a statement that holds the row. */
export function asPlanned(
  { set, stored }: { set: Record<string, unknown>; stored: Pick<StoredRow, 'key' | 'set'> },
  values: unknown[],
): string {
  const isSame = (row: 't' | 's', column: string, pair: string): string => {
    values.push(pair)
    return `${pairOf(row, column)} = $${values.length}`
  }
  const key = Object.entries(stored.key).map(([column, pair]) => isSame('t', column, pair))
  const written = Object.keys(set).map((column) => {
    const same = isSame('s', column, stored.set[column] ?? '')
    return namesMoment(set[column]) ? `(${same} or ${isTime(column)})` : same
  })
  return [...key, ...written].join(' and ')
}

/** Such a word was a moment when the write was planned, and is another one now. */
function namesMoment(value: unknown): boolean {
  return typeof value === 'string' && /now|today|tomorrow|yesterday/i.test(value)
}

function isTime(column: string): string {
  const types = ['timestamptz', 'timestamp', 'date', 'timetz', 'time'].map((type) => `'${type}'::regtype`)
  return `pg_typeof(s.${quote(column)}) in (${types.join(', ')})`
}

/** Of the row `t`. Null means null; a parameter without a cast takes the column's type. */
export function conditions(columns: Record<string, unknown>, values: unknown[]): string {
  const parts = Object.entries(columns).map(([column, value]) => {
    if (value === null) return `t.${quote(column)} is null`
    values.push(parameterOf(value))
    return `t.${quote(column)} = $${values.length}`
  })
  return parts.length > 0 ? parts.join(' and ') : 'true'
}

/** Scalars go as text, which PostgreSQL reads as the column's type; objects and arrays as JSON. */
function parameterOf(value: unknown): string | null {
  if (value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value as JsonValue)
}

export function tableOf(address: RowAddress): string {
  return `${quote(address.schema)}.${quote(address.table)}`
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}
