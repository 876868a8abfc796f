/** Gives the roles of the API and the workers what db/grants.sql says, and takes everything else from them. */
import { readFileSync } from 'node:fs'
import pg from 'pg'
import { inTransaction, type Database, type Queryable } from './database.ts'

export interface DatabaseRoles {
  api: string
  worker: string
}

/** Any constant of our own: it only has to differ from other advisory locks in this database. */
const LOCK_ID = 7_261_504

/** By the owner of the tables. Both roles have to exist: how they log in is the operator's. */
export async function grantRoles(database: Database, roles: DatabaseRoles): Promise<void> {
  const sql = readFileSync(new URL('./grants.sql', import.meta.url), 'utf8')
  await inTransaction(database, async (tx) => {
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK_ID])
    await assertSeparate(tx, roles)
    await tx.query(
      sql.replace(/:(api|worker)\b/g, (_whole, name: keyof DatabaseRoles) =>
        pg.escapeIdentifier(roles[name]),
      ),
    )
  })
}

/** To somebody who may do everything, a grant takes nothing away. */
async function assertSeparate(tx: Queryable, { api, worker }: DatabaseRoles): Promise<void> {
  if (api === worker) throw new Error(`the API and the worker have one role, ${api}: each needs its own`)
  const { rows } = await tx.query<{ name: string; is_there: boolean; is_too_mighty: boolean }>(
    `select name, r.oid is not null as is_there,
       coalesce(r.rolsuper or pg_has_role(r.oid, (select relowner from pg_class where oid = 'api_keys'::regclass), 'member'),
         false) as is_too_mighty
     from unnest($1::text[]) name left join pg_roles r on r.rolname = name`,
    [[api, worker]],
  )
  const missing = rows.filter(({ is_there }) => !is_there).map(({ name }) => name)
  if (missing.length > 0) throw new Error(`there is no role ${missing.join(', ')}: make it first`)
  const mighty = rows.filter(({ is_too_mighty }) => is_too_mighty).map(({ name }) => name)
  if (mighty.length > 0)
    throw new Error(`${mighty.join(', ')} is a superuser or the owner of the tables: it must be neither`)
}
