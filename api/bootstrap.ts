/**
 * The first key of an organization, made on the machine that may read the database:
 * `node dist/api/bootstrap.js --organization acme --admin ops@example.org`, after `npm run build`. Prints the key, once.
 */
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { z } from 'zod'
import { loadConfig } from '../config.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { NameSchema, PrincipalIdSchema } from '../schemas/common.ts'
import { ScopeSchema } from '../schemas/operations/operation.ts'
import { makeKey } from './operations/keys.ts'

/** A person with all scopes. Roles are given by the keys made later: administering is not approving. */
export async function bootstrapOrganization(
  database: Database,
  { organization, admin }: { organization: string; admin: string },
): Promise<{ key: string }> {
  const { key } = await makeKey(database, {
    organization: checked(NameSchema, '--organization', organization),
    principal: { id: checked(PrincipalIdSchema, '--admin', admin), kind: 'person' },
    scopes: [...ScopeSchema.options],
  })
  return { key }
}

function checked(schema: z.ZodType<string>, option: string, text: string): string {
  const parsed = schema.safeParse(text)
  if (parsed.success) return parsed.data
  throw new Error(`${option} ${parsed.error.issues.map(({ message }) => message).join('; ')}`)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { organization: { type: 'string' }, admin: { type: 'string' } },
  })
  const { organization, admin } = values
  if (organization === undefined || admin === undefined) {
    throw new Error('usage: bootstrap --organization <name> --admin <id or address>')
  }
  const database = createDatabase(loadConfig().databaseUrl)
  try {
    await migrate(database)
    const { key } = await bootstrapOrganization(database, { organization, admin })
    process.stdout.write(`${key}\n`)
  } finally {
    await database.end()
  }
}

const isEntry = process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href
if (isEntry) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
