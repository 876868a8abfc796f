/**
 * The statements of a guarded write to one row. Identifiers come from the connection's manifest and are quoted; values
 * are parameters, compared as the column's own type, so a timestamp keeps its microseconds.
 */
import type pg from 'pg'
import type { JsonObject, JsonValue } from '../../lib/json.ts'

export interface RowAddress {
  schema: string
  table: string
  /** Primary key and tenant. */
  where: Record<string, unknown>
}

interface Deadline {
  deadlineAtMs: number
  signal: AbortSignal
}

export type RowValues = Record<string, string | null>

/** The row's columns as text; null if there is none at this address, whoever's it may be. */
export async function readRow(
  pool: pg.Pool,
  params: { address: RowAddress; columns: string[]; guard: Record<string, unknown> } & Deadline,
): Promise<{ values: RowValues; matchesGuard: boolean } | null> {
  return withConnection(pool, params, async (client) => {
    const values: unknown[] = []
    const guard = conditions(params.guard, values)
    const columns = params.columns.map((column) => `${quote(column)}::text as ${quote(column)}`)
    const { rows } = await client.query<RowValues & { matches_guard: boolean }>(
      `select ${columns.join(', ')}, (${guard}) as matches_guard from ${tableOf(params.address)}
       where ${conditions(params.address.where, values)}`,
      values,
    )
    const [row] = rows
    if (!row) return null
    const { matches_guard: matchesGuard, ...rest } = row
    return { values: rest, matchesGuard: matchesGuard === true }
  })
}

export type RowUpdate = { status: 'applied' | 'already_applied'; row: RowValues } | { status: 'conflict' }

/**
 * One transaction: claim the receipt by key, lock the row, check that it is still as planned, write, complete the
 * receipt, commit. The claim waits for an older transaction with the same key, and then finds what that one did.
 * A conflict is committed as a receipt too: the key never applies anything later.
 */
export async function updateRowOnce(
  pool: pg.Pool,
  params: {
    address: RowAddress
    set: Record<string, unknown>
    preconditions: JsonObject
    key: string
    writebackId: string
    digest: string
  } & Deadline,
): Promise<RowUpdate> {
  return withConnection(pool, params, async (client) => {
    await client.query('begin')
    const earlier = await claimReceipt(client, params)
    if (earlier) {
      await client.query('rollback')
      return earlier
    }
    const row = (await lockMatchingRow(client, params)) ? await updateLockedRow(client, params) : null
    await completeReceipt(client, params.key, row)
    await client.query('commit')
    return row ? { status: 'applied', row } : { status: 'conflict' }
  })
}

async function claimReceipt(
  client: pg.PoolClient,
  params: { key: string; writebackId: string; digest: string },
): Promise<RowUpdate | null> {
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

/** Missing, another tenant's, or changed meanwhile: all three look the same. */
async function lockMatchingRow(
  client: pg.PoolClient,
  params: { address: RowAddress; preconditions: JsonObject },
): Promise<boolean> {
  const values: unknown[] = []
  const { rowCount } = await client.query(
    `select from ${tableOf(params.address)}
     where ${conditions(params.address.where, values)} and ${conditions(params.preconditions, values)} for update`,
    values,
  )
  return rowCount === 1
}

async function updateLockedRow(
  client: pg.PoolClient,
  params: { address: RowAddress; set: Record<string, unknown> },
): Promise<RowValues> {
  const values: unknown[] = []
  const assignments = Object.entries(params.set).map(([column, value]) => {
    values.push(parameterOf(value))
    return `${quote(column)} = $${values.length}`
  })
  const written = Object.keys(params.set).map((column) => `${quote(column)}::text as ${quote(column)}`)
  const { rows } = await client.query<RowValues>(
    `update ${tableOf(params.address)} set ${assignments.join(', ')}
     where ${conditions(params.address.where, values)} returning ${written.join(', ')}`,
    values,
  )
  const [row] = rows
  if (!row || rows.length !== 1)
    throw new Error(`${rows.length} rows would have changed: the declared primary key is not one`)
  return row
}

async function completeReceipt(client: pg.PoolClient, key: string, row: RowValues | null): Promise<void> {
  await client.query(
    `update countersign_receipts set status = $2, result = $3::jsonb, completed_at = now() where idempotency_key = $1`,
    [key, row ? 'applied' : 'conflict', row ? JSON.stringify(row) : null],
  )
}

/**
 * Lends a connection until the deadline. At the deadline, or when the signal fires, the socket is destroyed: then
 * nobody waits, and nothing more is sent on it. The server is told the deadline too, for statements that wait on locks.
 */
async function withConnection<T>(
  pool: pg.Pool,
  limits: Deadline,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let failure: Error | undefined
  const cut = (): void => {
    failure = new Error('the deadline of the write has passed')
    client.release(failure)
  }
  const timer = setTimeout(cut, Math.max(0, limits.deadlineAtMs - Date.now()))
  try {
    await client.query(`set statement_timeout = ${Math.max(1, Math.floor(limits.deadlineAtMs - Date.now()))}`)
    return await work(client)
  } catch (error) {
    failure ??= error as Error
    throw failure
  } finally {
    clearTimeout(timer)
    // After a failure the transaction may still be open: the connection is closed, which rolls it back.
    if (!cutAlready(failure)) client.release(failure)
  }
}

function cutAlready(failure: Error | undefined): boolean {
  return failure?.message === 'the deadline of the write has passed'
}

/** `is not distinct from` lets null mean null; a parameter without a cast takes the column's type. */
function conditions(columns: Record<string, unknown>, values: unknown[]): string {
  const parts = Object.entries(columns).map(([column, value]) => {
    if (value === null) return `${quote(column)} is null`
    values.push(parameterOf(value))
    return `${quote(column)} = $${values.length}`
  })
  return parts.length > 0 ? parts.join(' and ') : 'true'
}

/** Scalars go as text, which PostgreSQL reads as the column's type; objects and arrays as JSON. */
function parameterOf(value: unknown): string | null {
  if (value === null) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value as JsonValue)
}

function tableOf(address: RowAddress): string {
  return `${quote(address.schema)}.${quote(address.table)}`
}

function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}
