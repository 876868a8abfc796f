/** Connections to target databases, lent until a deadline. */
import type pg from 'pg'
import { onLimit } from '../../lib/on-limit.ts'
import { CodedError } from '../../schemas/errors.ts'
import { connectFailure } from './sql-errors.ts'

export interface Deadline {
  deadlineAtMs: number
  signal: AbortSignal
}

/**
 * Lends a connection until the deadline. At the deadline, or when the signal fires, the socket is destroyed: then
 * nobody waits, and nothing more is sent on it. The server is told the deadline too, for statements that wait on locks,
 * and for a client that it will never hear of again; and how we write values.
 */
export async function withConnection<T>(
  pool: pg.Pool,
  limits: Deadline,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await borrow(pool, limits)
  let cutOff: Error | undefined
  const stopWatching = atLimit(limits, () => {
    cutOff = new Error('the deadline has passed, or the call was cancelled')
    client.release(cutOff)
  })
  try {
    await prepareSession(client, limits).catch((error: unknown) => Promise.reject(connectFailure(error)))
    const result = await work(client)
    if (!cutOff) client.release()
    return result
  } catch (error) {
    // The transaction may still be open: the connection is closed, which rolls it back.
    if (!cutOff) client.release(error as Error)
    throw error instanceof CodedError ? error : (cutOff ?? error)
  } finally {
    stopWatching()
  }
}

/** Nothing was sent while we waited for a connection, so that whatever goes wrong here is no riddle. */
async function borrow(pool: pg.Pool, limits: Deadline): Promise<pg.PoolClient> {
  const connecting = pool.connect()
  let stopWatching = (): void => undefined
  const limit = new Promise<never>((_resolve, reject) => {
    stopWatching = atLimit(limits, () => reject(new Error('no connection before the deadline')))
  })
  try {
    return await Promise.race([limit, connecting])
  } catch (error) {
    connecting.then(
      (client) => client.release(),
      () => undefined,
    )
    throw connectFailure(error)
  } finally {
    stopWatching()
  }
}

function atLimit({ deadlineAtMs, signal }: Deadline, cut: () => void): () => void {
  return onLimit({ timeoutMs: deadlineAtMs - Date.now(), signals: [signal] }, cut)
}

/**
 * Under these settings the text of each value names that value and no other, whatever the target's own are: a time with
 * its offset, a float with all its digits, a null in an array that is none. What a value means, and what the target's
 * triggers make of the time, stays the target's: its order of day and month, its time zone, its currency.
 */
const EXACT_TEXTS = {
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  extra_float_digits: '3',
  array_nulls: 'on',
  bytea_output: 'hex',
}

async function prepareSession(client: pg.PoolClient, { deadlineAtMs }: Deadline): Promise<void> {
  const remainingMs = String(Math.max(1, Math.floor(deadlineAtMs - Date.now())))
  const settings = Object.entries({
    ...EXACT_TEXTS,
    statement_timeout: remainingMs,
    idle_in_transaction_session_timeout: remainingMs,
  })
  const parts = settings.map(([name], index) => `pg_catalog.set_config('${name}', $${index + 1}, false)`)
  await client.query(
    `select ${parts.join(', ')}`,
    settings.map(([, value]) => value),
  )
}
