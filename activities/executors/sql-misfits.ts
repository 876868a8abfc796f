/**
 * Which of its values a target does not take, and why: its own message about a value that does not fit names no column.
 * Asked only when planning has failed, one value after the other. Nothing is written.
 */
import type pg from 'pg'
import { castRow, conditions, tableOf } from './sql-columns.ts'
import { withConnection, type Deadline } from './sql-connection.ts'
import { plannedFailure } from './sql-errors.ts'
import type { RowAddress } from './sql-statements.ts'

interface Given extends Deadline {
  address: RowAddress
  key: Record<string, unknown>
  guard: Record<string, unknown>
  set: Record<string, unknown>
}

/** Such as `set.level: invalid input syntax for type integer: "…"`; empty if it is none of them alone. */
export async function findMisfits(pool: pg.Pool, given: Given): Promise<string[]> {
  const { address, key, guard, set } = given
  return withConnection(pool, given, async (client) => {
    const compared = await misfitsAmong(client, { key, guard }, (column, value, values) => {
      const condition = conditions(address, { [column]: value }, values)
      return `select from ${tableOf(address)} as t where ${condition} limit 0`
    })
    const cast = (columns: Record<string, unknown>, values: unknown[]): string =>
      `select from ${castRow({ address, set: columns }, values)} as s`
    // A column that nobody writes may refuse to be empty: then no value alone can be looked at.
    const none: unknown[] = []
    if ((await misfit(client, cast({}, none), none)) !== null) return compared
    const written = await misfitsAmong(client, { set }, (column, value, values) =>
      cast({ [column]: value }, values),
    )
    return [...compared, ...written]
  })
}

async function misfitsAmong(
  client: pg.PoolClient,
  groups: Record<string, Record<string, unknown>>,
  statementOf: (column: string, value: unknown, values: unknown[]) => string,
): Promise<string[]> {
  const found: string[] = []
  for (const [group, columns] of Object.entries(groups)) {
    for (const [column, value] of Object.entries(columns)) {
      const values: unknown[] = []
      const message = await misfit(client, statementOf(column, value, values), values)
      if (message !== null) found.push(`${group}.${column}: ${message}`)
    }
  }
  return found
}

async function misfit(client: pg.PoolClient, text: string, values: unknown[]): Promise<string | null> {
  try {
    await client.query(text, values)
    return null
  } catch (error) {
    const failure = plannedFailure(error, '')
    if (failure.code !== 'INVALID_ARGUMENTS') throw error
    return failure.message
  }
}
