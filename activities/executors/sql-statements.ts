/**
 * The statements of a guarded write to one row. Identifiers come from the connection's manifest and are quoted; values
 * are parameters, compared as the column's own type, so a timestamp keeps its microseconds.
 */
import type pg from 'pg'
import type { JsonObject } from '../../lib/json.ts'
import { LIMITS } from '../../lib/limits.ts'
import type { SendWindow } from '../../lib/send-window.ts'
import { CodedError } from '../../schemas/errors.ts'
import { asPlanned, castRow, conditions, pairOf, quote, tableOf, unchanged } from './sql-columns.ts'
import { withConnection, type Deadline } from './sql-connection.ts'
import { PARTS_OF_PAIR, refuseMany } from './sql-wire.ts'
import { claimFailure, isRefusedCommit, notBegun, refused } from './sql-errors.ts'
import { textsOf, type RowColumns, type StoredRow } from './sql-values.ts'

export interface RowAddress {
  schema: string
  table: string
  /** Primary key and tenant. */
  where: Record<string, unknown>
}

export type RowValues = Record<string, string | null>

interface RowRequest extends Deadline {
  address: RowAddress
  columns: string[]
  /** Of them, those whose values go into the plan; all if there are none said. */
  kept?: string[]
  guard: Record<string, unknown>
  set: Record<string, unknown>
}

interface ReadRow {
  values: RowColumns
  matchesGuard: boolean
  set: RowColumns
}

/**
 * The row as it is, and what the target would store for `set`; null if there is no row at this address, whoever's it may
 * be. The target casts each value to its column's own type, once: that, and nothing else, is judged, shown and sent.
 */
export async function readRow(pool: pg.Pool, params: RowRequest): Promise<ReadRow | null> {
  return withConnection(pool, params, async (client) => {
    const parameters: unknown[] = []
    const selected = [
      conditions(params.address, params.guard, parameters),
      ...params.columns.map((column) => pairOf('t', column)),
      ...Object.keys(params.set).map((column) => pairOf('s', column)),
    ]
    const { rows } = await client.query<[boolean | null, ...string[]]>({
      text: `select ${selected.join(', ')} from ${tableOf(params.address)} as t, ${castRow(params, parameters)} as s
        where ${conditions(params.address, params.address.where, parameters)} limit 2`,
      values: parameters,
      rowMode: 'array',
    })
    const [row] = rows
    if (!row) return null
    if (rows.length > 1) {
      const detail = `${params.address.table}: several rows have this key; primary_key of the connection names too little`
      throw new CodedError('INVALID_ARGUMENTS', detail)
    }
    return inColumns(row, params)
  })
}

/** Throws RESULT_TOO_LARGE. The target says what it makes of the call's values: no more than these may have in them. */
function inColumns(
  [matchesGuard, ...pairs]: [boolean | null, ...string[]],
  { columns, set, kept = columns }: Pick<RowRequest, 'columns' | 'set' | 'kept'>,
): ReadRow {
  refuseMany(pairs)
  const named = (names: string[], first: number): RowColumns =>
    Object.fromEntries(names.map((name, index) => [name, pairs[first + index] ?? '']))
  const values = named(columns, 0)
  const stored = named(Object.keys(set), columns.length)
  const planned = [...kept.map((column) => values[column] ?? ''), ...Object.values(stored)]
  refuseMany(planned, LIMITS.valueParts + PARTS_OF_PAIR * planned.length)
  return { values, matchesGuard: matchesGuard === true, set: stored }
}

/** What the target keeps under the key of a write. */
type EarlierUpdate =
  | { status: 'already_applied'; row: RowValues }
  | { status: 'conflict' }
  /** It has done, under this key, what another plan says. */
  | { status: 'other_plan'; digest: string; row: RowValues }

export type RowUpdate =
  | EarlierUpdate
  | { status: 'applied'; row: RowValues }
  /** The target makes another value of what was planned: the pairs of these columns, null if the row is gone. Rolled back. */
  | { status: 'stored_otherwise'; found: RowColumns | null }
  /** The update would have changed another number of rows than one. Rolled back. */
  | { status: 'not_one_row'; rowCount: number }
  /** The server has refused COMMIT, and keeps no receipt. */
  | { status: 'refused'; error: CodedError }

interface UpdateParams extends Deadline {
  window: SendWindow
  address: RowAddress
  /** As the automation gives it. */
  set: Record<string, unknown>
  /** What the target has said that it stores for that. */
  stored: Pick<StoredRow, 'key' | 'set'>
  preconditions: JsonObject
  key: string
  writebackId: string
  digest: string
}

/**
 * One transaction: claim the receipt by key, lock the row, check that it is still as planned, write, complete the
 * receipt, commit. The claim waits for an older transaction with the same key, and then finds what that one did.
 * A conflict is committed as a receipt too: the key never applies anything later.
 */
export async function updateRowOnce(pool: pg.Pool, params: UpdateParams): Promise<RowUpdate> {
  const sent = await withConnection(pool, params, async (client) => {
    const done = await updateUncommitted(client, params)
    if (done.status === 'not_one_row' || done.status === 'stored_otherwise') {
      await client.query('rollback')
      return done
    }
    return commit(client, params.window, done)
  })
  if (!('refusedBy' in sent)) return sent
  // An answer to COMMIT may come from what stands before the server: the receipt tells, once nobody holds its key.
  return (await findReceipt(pool, params)) ?? { status: 'refused', error: refused(sent.refusedBy) }
}

/** Nothing of the transaction has any effect before this one word, so here is where the clocks are looked at. */
async function commit<Done>(
  client: pg.PoolClient,
  window: SendWindow,
  done: Done,
): Promise<Done | { refusedBy: unknown }> {
  window.pass()
  try {
    const { command } = await client.query('commit')
    if (command === 'COMMIT') return done
  } catch (error) {
    if (isRefusedCommit(error)) return { refusedBy: error }
    throw error
  }
  throw new Error('COMMIT was answered with a rollback')
}

async function updateUncommitted(client: pg.PoolClient, params: UpdateParams): Promise<RowUpdate> {
  params.window.assertOpen()
  await client.query('begin').catch((error: unknown) => Promise.reject(notBegun(error)))
  const earlier = await claimReceipt(client, params).catch((error: unknown) => {
    throw claimFailure(error)
  })
  if (earlier) return earlier
  if (!(await lockMatchingRow(client, params))) {
    await noteConflict(client, params.key)
    return { status: 'conflict' }
  }
  const texts = textsOf(params.stored.set)
  const rowCount = await updateLockedRow(client, params.address, texts)
  if (rowCount !== 1) return { status: 'not_one_row', rowCount }
  const found = await completeReceiptOf(client, params, texts)
  const isAsPlanned =
    found && Object.keys(texts).every((column) => found[column] === params.stored.set[column])
  return isAsPlanned ? { status: 'applied', row: texts } : { status: 'stored_otherwise', found }
}

/**
 * What became of the write with this key; null if nothing did. Claiming the key waits for a transaction that holds it,
 * so that none can be under way when this says null. The claim is rolled back: nothing is changed.
 */
export async function findReceipt(
  pool: pg.Pool,
  params: { key: string; digest: string } & Deadline,
): Promise<EarlierUpdate | null> {
  return withConnection(pool, params, async (client) => {
    await client.query('begin')
    const { key, digest } = params
    const earlier = await claimReceipt(client, { key, digest, writebackId: '' }).catch((error: unknown) => {
      throw claimFailure(error)
    })
    await client.query('rollback')
    return earlier
  })
}

async function claimReceipt(
  client: pg.PoolClient,
  params: { key: string; writebackId: string; digest: string },
): Promise<EarlierUpdate | null> {
  const { rowCount } = await client.query(
    `insert into countersign_receipts (idempotency_key, writeback_id, digest, status)
     values ($1, $2, $3, 'in_progress') on conflict (idempotency_key) do nothing`,
    [params.key, params.writebackId, params.digest],
  )
  if (rowCount === 1) return null
  const { rows } = await client.query<{ status: string; digest: string; result: RowValues | null }>(
    `select status, digest, result from countersign_receipts where idempotency_key = $1`,
    [params.key],
  )
  const [receipt] = rows
  // Nothing was done under this key, by whatever plan.
  if (receipt?.status !== 'applied') return { status: 'conflict' }
  const row = receipt.result ?? {}
  // Both stores were taken back to before a plan that the target has seen: its receipt proves that one, and not ours.
  if (receipt.digest !== params.digest) return { status: 'other_plan', digest: receipt.digest, row }
  return { status: 'already_applied', row }
}

/**
 * Missing, another tenant's, or changed meanwhile: all three look the same. So does a plan that was edited: what it says
 * of the key and of the new values has to be what the target makes of the automation's own.
 */
async function lockMatchingRow(
  client: pg.PoolClient,
  params: Pick<UpdateParams, 'address' | 'preconditions' | 'set' | 'stored'>,
): Promise<boolean> {
  const values: unknown[] = []
  const { rowCount } = await client.query(
    `select from ${tableOf(params.address)} as t, ${castRow(params, values)} as s
     where ${conditions(params.address, params.address.where, values)} and ${unchanged(params.preconditions, values)}
       and ${asPlanned(params, values)} for update of t`,
    values,
  )
  return rowCount === 1
}

async function updateLockedRow(
  client: pg.PoolClient,
  address: RowAddress,
  texts: RowValues,
): Promise<number> {
  const values: unknown[] = []
  const assignments = Object.entries(texts).map(([column, text]) => {
    values.push(text)
    return `${quote(column)} = $${values.length}`
  })
  const { rowCount } = await client.query(
    `update ${tableOf(address)} as t set ${assignments.join(', ')} where ${conditions(address, address.where, values)}`,
    values,
  )
  return rowCount ?? 0
}

/**
 * With what now stands in the written columns; null if no row has the address any more. It is a statement after the
 * update, for `returning` of that one knows nothing of rules, of views, and of triggers that run after it.
 */
async function completeReceiptOf(
  client: pg.PoolClient,
  { key, address }: Pick<UpdateParams, 'key' | 'address'>,
  texts: RowValues,
): Promise<RowColumns | null> {
  const columns = Object.keys(texts)
  const moved = Object.keys(address.where).filter((column) => Object.hasOwn(texts, column))
  const where = { ...address.where, ...Object.fromEntries(moved.map((column) => [column, texts[column]])) }
  const values: unknown[] = [key, JSON.stringify(texts)]
  const { rows } = await client.query<string[]>({
    text: `update countersign_receipts as r set status = 'applied', result = $2::jsonb, completed_at = now()
      from ${tableOf(address)} as t where r.idempotency_key = $1 and ${conditions(address, where, values)}
      returning ${columns.map((column) => pairOf('t', column)).join(', ')}`,
    values,
    rowMode: 'array',
  })
  const [row] = rows
  refuseMany(row ?? [])
  return row ? Object.fromEntries(columns.map((column, index) => [column, row[index] ?? ''])) : null
}

async function noteConflict(client: pg.PoolClient, key: string): Promise<void> {
  await client.query(
    `update countersign_receipts set status = 'conflict', completed_at = now() where idempotency_key = $1`,
    [key],
  )
}
