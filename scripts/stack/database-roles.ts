/** Logins for the API and the worker in a PostgreSQL server of ours. */
import pg from 'pg'
import { isErrno } from './waiting.ts'

const ALREADY_THERE = ['42710', '23505']

/** Makes the login, or gives it this password; the address with it in the place of the owner's. */
export async function ensureLogin(
  ownerUrl: string,
  { name, password }: { name: string; password: string },
): Promise<string> {
  const client = new pg.Client({ connectionString: ownerUrl })
  await client.connect()
  const login = `role ${pg.escapeIdentifier(name)} login password ${pg.escapeLiteral(password)}`
  try {
    await client.query(`create ${login}`)
  } catch (error) {
    if (!ALREADY_THERE.some((code) => isErrno(error, code))) throw error
    await client.query(`alter ${login}`)
  } finally {
    await client.end()
  }
  return Object.assign(new URL(ownerUrl), { username: name, password }).href
}
