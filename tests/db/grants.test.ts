/**
 * What API and workers may do with each table: all of it stated here a second time, so that a table that is added, or a
 * right that slips in, is a decision of somebody.
 */
import { beforeAll, expect, test } from 'vitest'
import { createDatabase } from '../../db/database.ts'
import { grantRoles } from '../../db/grants.ts'
import { migrate } from '../../db/migrate.ts'
import { migrateWhenReady } from '../../db/ready.ts'
import { useTestDatabase } from '../support/database.ts'
import { addressFor, LOGINS, prepareDatabase } from '../support/logins.ts'

const made = useTestDatabase()
const empty = useTestDatabase({ migrated: false })
beforeAll(() => prepareDatabase(made.url))

/** s select, i insert, u update, d delete; of single columns in parentheses. */
const MATRIX: Record<string, { api: string; worker: string }> = {
  api_keys: { api: 'siu', worker: '' },
  approvals: { api: 's', worker: 'siud' },
  decisions: { api: 'si u(decision_id)', worker: 'sid u(envelope) u(recorded_at)' },
  deliveries: { api: 'siu', worker: 'siud' },
  listing_warnings: { api: 's', worker: 'siu' },
  manifests: { api: 'siu', worker: 's u(held)' },
  pauses: { api: 'sid', worker: 's' },
  payloads: { api: 'siu', worker: 'siud' },
  principals: { api: 'siu', worker: 's' },
  receipt_chains: { api: 's', worker: 'siu' },
  receipts: { api: 's', worker: 'si' },
  revisions: { api: 'si', worker: 's' },
  roles: { api: 'sid', worker: 's' },
  schema_migrations: { api: 's', worker: 's' },
  tool_catalog: { api: 's', worker: 'siud' },
  writebacks: { api: 's', worker: 'siud' },
}

test('every table is stated, and each role may do that and nothing more', async () => {
  expect(await rightsOf(made.database)).toEqual(MATRIX)
})

test('neither role owns, truncates, references or has triggers, nor makes anything', async () => {
  const { rows } = await made.database.query<{ name: string }>(
    `select r.rolname || ' ' || c.relname || ' ' || verb as name
     from pg_class c, pg_roles r, unnest(array['TRUNCATE', 'REFERENCES', 'TRIGGER']) verb
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and r.rolname = any($1)
       and has_table_privilege(r.oid, c.oid, verb)
     union all select r.rolname || ' makes tables' from pg_roles r
       where r.rolname = any($1) and has_schema_privilege(r.oid, 'public', 'CREATE')`,
    [[LOGINS.api.name, LOGINS.worker.name]],
  )
  expect(rows).toEqual([])
})

test('a right that was given besides is taken away again', async () => {
  await made.database.query(`grant all on api_keys, revisions to ${LOGINS.worker.name}`)
  await made.database.query(`grant update (key_sha256) on api_keys to ${LOGINS.worker.name}`)
  await grantRoles(made.database, { api: LOGINS.api.name, worker: LOGINS.worker.name })
  expect(await rightsOf(made.database)).toEqual(MATRIX)
})

test('roles that grants mean nothing to are refused', async () => {
  const owner = decodeURIComponent(new URL(made.url).username)
  const grant = (api: string, worker: string) => grantRoles(made.database, { api, worker })
  await expect(grant(LOGINS.api.name, owner)).rejects.toThrow(`${owner} is a superuser or the owner`)
  await expect(grant(LOGINS.api.name, LOGINS.api.name)).rejects.toThrow('each needs its own')
  await expect(grant('nobody_at_all', LOGINS.worker.name)).rejects.toThrow('there is no role nobody_at_all')
})

test('a process that may change no table waits for the owner, and goes on when he was there', async () => {
  const database = createDatabase(addressFor('worker', empty.url))
  const said: string[] = []
  const logger = {
    info: () => undefined,
    warn: (_fields: object, message: string) => void said.push(message),
  }
  try {
    const ready = migrateWhenReady(database, logger, new AbortController().signal)
    await expect.poll(() => said.at(-1), { timeout: 20_000 }).toContain('waiting for the owner')
    await prepareDatabase(empty.url)
    expect(await ready).toBe(true)
    expect(await migrate(database)).toEqual([])
  } finally {
    await database.end()
  }
})

async function rightsOf(database: typeof made.database): Promise<typeof MATRIX> {
  const { rows } = await database.query<{ name: string; api: string; worker: string }>(
    `select c.relname as name, ${rights('$1')} as api, ${rights('$2')} as worker
     from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace = 'public'::regnamespace`,
    [LOGINS.api.name, LOGINS.worker.name],
  )
  return Object.fromEntries(rows.map(({ name, api, worker }) => [name, { api, worker }]))
}

function rights(role: string): string {
  return `trim((select coalesce(string_agg(left(lower(verb), 1), '' order by at), '')
      from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) with ordinality verbs (verb, at)
      where has_table_privilege(${role}::name, c.oid, verb))
    || (select coalesce(string_agg(' ' || left(lower(verb), 1) || '(' || a.attname || ')', '' order by a.attname), '')
      from pg_attribute a, unnest(array['SELECT', 'INSERT', 'UPDATE']) verb
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        and has_column_privilege(${role}::name, c.oid, a.attnum, verb) and not has_table_privilege(${role}::name, c.oid, verb)))`
}
