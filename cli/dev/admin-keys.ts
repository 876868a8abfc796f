/** Every organization of the dev stack has an admin key that works: the noted one, or a new one if the data is new. */
import pg from 'pg'
import { bootstrapOrganization } from '../../api/bootstrap.ts'
import { ListeningClient } from '../../db/client.ts'
import { ApiError, createClient, type Client } from '../../sdk/client/index.ts'

const ADMIN = 'admin'

export async function ensureAdminKeys(params: {
  databaseUrl: string
  apiUrl: string
  organizations: readonly string[]
  /** By organization. */
  known: Record<string, string>
}): Promise<Record<string, string>> {
  const { databaseUrl, apiUrl, organizations, known } = params
  const keys = { ...known }
  // Two connections: one makes a key, and nothing is done at the same time.
  const database = new pg.Pool({ connectionString: databaseUrl, max: 2, Client: ListeningClient })
  database.on('error', () => undefined)
  try {
    for (const organization of organizations) {
      const noted = Object.hasOwn(known, organization) ? known[organization] : undefined
      if (noted !== undefined && (await works(apiUrl, noted))) continue
      const { key } = await bootstrapOrganization(database, { organization, admin: ADMIN })
      keys[organization] = key
    }
  } finally {
    await database.end()
  }
  return keys
}

async function works(baseUrl: string, apiKey: string): Promise<boolean> {
  try {
    await createClient({ baseUrl, apiKey }).listKeys()
    return true
  } catch (error) {
    if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return false
    throw error
  }
}

/** Whatever it may do: one without the scope that this needs is refused, and known. */
export async function isValidKey(client: Client): Promise<boolean> {
  try {
    await client.whoAmI()
    return true
  } catch (error) {
    if (error instanceof ApiError && error.code === 'FORBIDDEN') return true
    if (error instanceof ApiError && error.code === 'UNAUTHENTICATED') return false
    throw error
  }
}
