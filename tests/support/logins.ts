/** The logins of the API and the workers on the server of a test run, which may do what db/grants.sql says. */
import { createDatabase } from '../../db/database.ts'
import { grantRoles } from '../../db/grants.ts'
import { migrate } from '../../db/migrate.ts'

export const LOGINS = {
  api: { name: 'countersign_api', password: 'of-the-api' },
  worker: { name: 'countersign_worker', password: 'of-the-worker' },
}

export function addressFor(process: keyof typeof LOGINS, ownerUrl: string): string {
  const { name, password } = LOGINS[process]
  return Object.assign(new URL(ownerUrl), { username: name, password }).href
}

/** As an operator does it, with the address of the owner. */
export async function prepareDatabase(ownerUrl: string): Promise<void> {
  const database = createDatabase(ownerUrl)
  try {
    await migrate(database)
    await grantRoles(database, { api: LOGINS.api.name, worker: LOGINS.worker.name })
  } finally {
    await database.end()
  }
}
