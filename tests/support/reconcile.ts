/** The product's reconciler, as the Schedule lets a worker call it, some minutes later: nobody waits for them. */
import type { Client } from '@temporalio/client'
import type { DoorDeps } from '../../activities/door.ts'
import { reconcile } from '../../activities/reconcile.ts'
import type { Database } from '../../db/database.ts'
import { loadSigningKey, loadTrustedKeys, publicKeysFile } from '../../lib/keys.ts'
import type { ReconcileReport } from '../../schemas/upkeep.ts'

const LATER_MS = 10 * 60_000

/** Rows are made older than they are, and the reconciler's clock is put forward. Throws if a row could not be closed. */
export async function reconcileLater({
  database,
  client,
  keysFolder,
}: {
  database: Database
  client: Client
  keysFolder: string
}): Promise<Pick<ReconcileReport, 'reminded'>> {
  await database.query(`update writebacks set updated_at = updated_at - interval '10 minutes',
    deadline_at = deadline_at - interval '10 minutes' where state in ('planned', 'sending')`)
  await database.query(
    `update approvals set created_at = created_at - interval '10 minutes' where state = 'waiting'`,
  )
  const door = reconcilingDoor({ database, keysFolder })
  let reminded = 0
  let next = { writeback: '', approval: '', alive: '' }
  do {
    const report = await reconcile({ door, client, scheduledAtMs: Date.now() }, next)
    if (report.failed > 0) throw new Error(`the reconciler could not close ${report.failed} rows`)
    reminded += report.reminded
    next = report.next
  } while (next.writeback !== '' || next.approval !== '' || next.alive !== '')
  return { reminded }
}

export function reconcilingDoor({
  database,
  keysFolder,
}: {
  database: Database
  keysFolder: string
}): DoorDeps {
  return {
    database,
    // Nothing is sent: no executor is asked.
    executors: undefined as never,
    trust: { keys: loadTrustedKeys(publicKeysFile(keysFolder)), identity: 'verified' },
    signingKey: loadSigningKey(keysFolder, 'receipt'),
    nowMs: () => Date.now() + LATER_MS,
    warn: () => undefined,
  }
}
