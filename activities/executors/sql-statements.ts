/**
 * The statements of a guarded write to one row. Identifiers come from the connection's manifest and are quoted; values
 * are parameters, compared as the column's own type, so a timestamp keeps its microseconds.
 */
import type pg from 'pg'
import type { JsonObject } from '../../lib/json.ts'
import type { SendWindow } from '../../lib/send-window.ts'
import { CodedError } from '../../schemas/errors.ts'
import { asPlanned, castRow, conditions, pairOf, quote, tableOf } from './sql-columns.ts'
import { withConnection, type Deadline } from './sql-connection.ts'
import { claimFailure, isRefusedCommit, notBegun, refused } from './sql-errors.ts'
import { textsOf, type RowColumns, type StoredRow } from './sql-values.ts'

export interface RowAddress {
  schema: string
  table: string
  /** Primary key and tenant. */
  where: Record<string, unknown>
}

export type RowValues = Record<string, string | null>

/**
 * The row as it is, and what the target would store for `set`; null if there is no row at this address, whoever's it may
 * be. The target casts each value to its column's own type, once: that, and nothing else, is judged, shown and sent.
 */
export async function readRow(
  pool: pg.Pool,
  params: {
    address: RowAddress
    columns: string[]
    guard: Record<string, unknown>
    set: Record<string, unknown>
  } & Deadline,
): Promise<{ values: RowColumns; matchesGuard: boolean; set: RowColumns } | null> {
  return withConnection(pool, params, async (client) => {
    const values: unknown[] = []
    const written = Object.keys(params.set)
    const selected = [
      conditions(params.guard, values),
      ...params.columns.map((column) => pairOf('t', column)),
      ...written.map((column) => pairOf('s', column)),
    ]
    const { rows } = await client.query<[boolean | null, ...string[]]>({
      text: `select ${selected.join(', ')} from ${tableOf(params.address)} as t, ${castRow(params, values)} as s
        where ${conditions(params.address.where, values)} limit 2`,
      values,
      rowMode: 'array',
    })
    const [row] = rows
    if (!row) return null
    if (rows.length > 1) {
      const detail = `${params.address.table}: several rows have this key; primary_key of the connection names too little`
      throw new CodedError('INVALID_ARGUMENTS', detail)
    }
    const [matchesGuard, ...pairs] = row
    const named = (columns: string[], first: number): RowColumns =>
      Object.fromEntries(columns.map((column, index) => [column, pairs[first + index] ?? '']))
    return {
      values: named(params.columns, 0),
      matchesGuard: matchesGuard === true,
      set: named(written, params.columns.length),
    }
  })
}

export type RowUpdate =
  | { status: 'applied' | 'already_applied'; row: RowValues }
  | { status: 'conflict' }
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
    if (done.status === 'not_one_row') {
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
    await completeReceipt(client, params.key, null)
    return { status: 'conflict' }
  }
  const [row, ...others] = await updateLockedRow(client, params)
  if (!row || others.length > 0) return { status: 'not_one_row', rowCount: row ? 1 + others.length : 0 }
  await completeReceipt(client, params.key, row)
  return { status: 'applied', row }
}

type EarlierUpdate = Extract<RowUpdate, { status: 'already_applied' | 'conflict' | 'applied' }>

/**
 * What became of the write with this key; null if nothing did. Claiming the key waits for a transaction that holds it,
 * so that none can be under way when this says null. The claim is rolled back: nothing is changed.
 */
export async function findReceipt(
  pool: pg.Pool,
  params: { key: string } & Deadline,
): Promise<EarlierUpdate | null> {
  return withConnection(pool, params, async (client) => {
    await client.query('begin')
    const earlier = await claimReceipt(client, { key: params.key, writebackId: '', digest: '' }).catch(
      (error: unknown) => {
        throw claimFailure(error)
      },
    )
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
  const { rows } = await client.query<{ status: string; result: RowValues | null }>(
    `select status, result from countersign_receipts where idempotency_key = $1`,
    [params.key],
  )
  const [receipt] = rows
  return receipt?.status === 'applied'
    ? { status: 'already_applied', row: receipt.result ?? {} }
    : { status: 'conflict' }
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
     where ${conditions(params.address.where, values)} and ${conditions(params.preconditions, values)}
       and ${asPlanned(params, values)} for update of t`,
    values,
  )
  return rowCount === 1
}

async function updateLockedRow(
  client: pg.PoolClient,
  params: Pick<UpdateParams, 'address' | 'set' | 'stored'>,
): Promise<RowValues[]> {
  const values: unknown[] = []
  const columns = Object.keys(params.set)
  const texts = textsOf(params.stored.set)
  const assignments = columns.map((column) => {
    values.push(texts[column] ?? null)
    return `${quote(column)} = $${values.length}`
  })
  const written = columns.map((column) => `t.${quote(column)}::text as ${quote(column)}`)
  const { rows } = await client.query<RowValues>(
    `update ${tableOf(params.address)} as t set ${assignments.join(', ')}
     where ${conditions(params.address.where, values)} returning ${written.join(', ')}`,
    values,
  )
  return rows
}

async function completeReceipt(client: pg.PoolClient, key: string, row: RowValues | null): Promise<void> {
  await client.query(
    `update countersign_receipts set status = $2, result = $3::jsonb, completed_at = now() where idempotency_key = $1`,
    [key, row ? 'applied' : 'conflict', row ? JSON.stringify(row) : null],
  )
}
