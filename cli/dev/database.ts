/** The database of the dev stack, as an operator would prepare it: three logins, each with what it needs. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createDatabase } from '../../db/database.ts'
import { grantRoles } from '../../db/grants.ts'
import { migrate } from '../../db/migrate.ts'
import { ensureLogin } from '../../scripts/stack/database-roles.ts'
import type { Services } from './services.ts'

const ROLES = { api: 'countersign_api', worker: 'countersign_worker' }

export async function prepareDatabase(
  ownerUrl: string,
  dataDir: string,
): Promise<Pick<Services, 'databaseUrl' | 'apiDatabaseUrl' | 'workerDatabaseUrl'>> {
  const passwords = passwordsOf(dataDir)
  const login = (process: keyof typeof ROLES) =>
    ensureLogin(ownerUrl, { name: ROLES[process], password: passwords[process] })
  const addresses = {
    databaseUrl: ownerUrl,
    apiDatabaseUrl: await login('api'),
    workerDatabaseUrl: await login('worker'),
  }
  const database = createDatabase(ownerUrl)
  try {
    await migrate(database)
    await grantRoles(database, ROLES)
  } finally {
    await database.end()
  }
  return addresses
}

/** The same at each start: a process that was left running knows them. */
function passwordsOf(dataDir: string): Record<keyof typeof ROLES, string> {
  const file = join(dataDir, 'database-logins.json')
  const make = (): string => randomBytes(24).toString('hex')
  if (!existsSync(file)) writeFileSync(file, JSON.stringify({ api: make(), worker: make() }), { mode: 0o600 })
  return JSON.parse(readFileSync(file, 'utf8')) as Record<keyof typeof ROLES, string>
}
