/**
 * Values of columns as the target itself writes them: a JSON text with the value's text and its JSON, such as
 * `["1.10", 1.10]`. It is kept as that text, so that nothing on its way can round it; the first is what is sent, the
 * second what policy judges and people see.
 */
import { z } from 'zod'
import { JsonSchema } from '../../schemas/common.ts'
import { parseWithTexts } from '../../lib/exact-json.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { sha256Hex } from '../../lib/canonical-json.ts'
import { endOfText, excessOf, partsOf } from '../../lib/json-shape.ts'
import { MAX_VALUE_DEPTH, readableBytes, SHOWN_BYTES, SHOWN_PARTS } from '../../lib/limits.ts'
import { unstorableTexts } from '../../lib/storable.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { TableSpec } from '../../schemas/manifests.ts'
import type { Stored } from './executor.ts'

const REDACTED = '[redacted]'

/** By column. */
export type RowColumns = Record<string, string>

const PairSchema = z.tuple([z.string().nullable(), JsonSchema])
const PairTextSchema = z.string().refine((text) => pairIn(text).success)
const ColumnsSchema = z.record(z.string(), PairTextSchema)
const StoredRowSchema = z.strictObject({ key: ColumnsSchema, guard: ColumnsSchema, set: ColumnsSchema })

export type StoredRow = z.infer<typeof StoredRowSchema>

/** Of a row of the ledger, which is not believed. */
export function storedRow(stored: Stored): StoredRow {
  const parsed = StoredRowSchema.safeParse(stored)
  if (parsed.success) return parsed.data
  throw new CodedError('WRITE_NOT_AUTHORISED', 'what is planned does not say what would be stored')
}

/** As they are sent. Null means null. */
export function textsOf(columns: RowColumns): Record<string, string | null> {
  return mapped(columns, ([text]) => text)
}

/**
 * As policy judges them and people see them: numbers, truths and JSON as such, a number that JSON cannot hold exactly as
 * its text, times as ISO 8601, and everything else as the target writes it. So is JSON with a character that our own
 * database cannot keep, where it stands escaped, and JSON that is nested too deep.
 */
export function valuesOf(columns: RowColumns): JsonObject {
  return mapped(columns, ([text, value]) => (unstorableTexts(value, '').length === 0 ? value : text))
}

/**
 * The same, for what is shown and neither judged nor sent, such as a value that is to be replaced: of one that is large there
 * is the digest of its text. It is the row's, and no limit of ours holds for it: parsed, hidden, digested and kept it would
 * make everybody else of the worker wait.
 */
export function shownRow(columns: RowColumns, table: TableSpec): JsonObject {
  const isLarge = (pair: string): boolean =>
    pair.length > SHOWN_BYTES || partsOf(pair, SHOWN_PARTS) > SHOWN_PARTS
  const shown = Object.entries(columns).map(([column, pair]) => {
    if (isLarge(pair)) return [column, digestOfPair(pair)]
    return [column, valuesOf({ [column]: pair })[column] ?? null]
  })
  return redactRow(Object.fromEntries(shown) as JsonObject, table)
}

/** The first of the two is read, and the second not parsed. */
function digestOfPair(pair: string): string {
  if (!pair.startsWith('["'))
    throw new CodedError('RESULT_INVALID', 'a value of the database without its text')
  const text = Buffer.from(JSON.parse(pair.slice(1, endOfText(pair, 1) + 1)) as string)
  return `… (${readableBytes(text.length)}, too large to be shown; SHA-256 of its text: ${sha256Hex(text)})`
}

export function redactRow(row: JsonObject, table: TableSpec): JsonObject {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, table.redact.includes(column) ? REDACTED : value]),
  )
}

/** Those columns that the first object names, in its order. Throws WRITE_NOT_AUTHORISED if others, or fewer, are kept. */
export function inOrderOf(named: Record<string, unknown>, columns: RowColumns): RowColumns {
  const names = Object.keys(named)
  const isSame = names.length === Object.keys(columns).length && names.every((name) => name in columns)
  if (!isSame)
    throw new CodedError('WRITE_NOT_AUTHORISED', 'what is planned names other columns than the call')
  return Object.fromEntries(names.map((name) => [name, columns[name] ?? '']))
}

type Pair = [string | null, JsonValue]

function mapped<T>(columns: RowColumns, part: (pair: Pair) => T): Record<string, T> {
  return Object.fromEntries(
    Object.entries(columns).map(([column, text]) => [column, part(PairSchema.parse(readPair(text)) as Pair)]),
  )
}

/** JSON that is nested deeper than what walks over values may go stands as its text. */
function readPair(text: string): JsonValue {
  const pair = parseWithTexts(text)
  const isDeep = excessOf(text, { depth: MAX_VALUE_DEPTH + 1, parts: Number.POSITIVE_INFINITY }) !== null
  return isDeep && Array.isArray(pair) ? [pair[0] ?? null, pair[0] ?? null] : pair
}

function pairIn(text: string): { success: boolean } {
  try {
    return PairSchema.safeParse(readPair(text))
  } catch {
    return { success: false }
  }
}
