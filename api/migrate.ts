/**
 * Brings the database up to date, as the owner of the tables: `DATABASE_URL=… node dist/api/migrate.js`. With the names of two
 * roles, COUNTERSIGN_API_ROLE and COUNTERSIGN_WORKER_ROLE, it gives each what it needs and nothing more.
 */
import { configAtStart } from '../config.ts'
import { createDatabase } from '../db/database.ts'
import { grantRoles } from '../db/grants.ts'
import { migrate } from '../db/migrate.ts'

async function main(): Promise<void> {
  const { databaseUrl, apiRole: api, workerRole: worker } = configAtStart('migration')
  const database = createDatabase(databaseUrl)
  try {
    const applied = await migrate(database)
    process.stdout.write(applied.length > 0 ? `applied ${applied.join(', ')}\n` : 'nothing to apply\n')
    if (api === undefined || worker === undefined) return
    await grantRoles(database, { api, worker })
    process.stdout.write(`${api} and ${worker} have what they need\n`)
  } finally {
    await database.end()
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
