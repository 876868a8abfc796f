/** Holding a write at its claim from outside: whoever saves or freezes a connection holds its row for a moment. */
import type { Database } from '../../db/database.ts'
import { eventually } from './world.ts'

/** Gives what ends it. */
export async function lockConnection(database: Database, name: string): Promise<() => Promise<void>> {
  const client = await database.connect()
  // Longer than anybody of ours would: another worker may start meanwhile.
  await client.query('begin; set local idle_in_transaction_session_timeout = 0')
  await client.query(`select from manifests where kind = 'Connection' and name = $1 for update`, [name])
  return async () => {
    await client.query('commit')
    client.release()
  }
}

/** Until the claim of one write has come to the lock. */
export async function claimWaits(database: Database): Promise<void> {
  await eventually(async () => {
    const { rowCount } = await database.query(
      `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
         and query like '%from claim_sending(%'`,
    )
    return rowCount === 1
  })
}
