/** As whom our processes are connected now. */
import type { Queryable } from '../database.ts'

export interface Login {
  process: 'API' | 'worker'
  login: string
  /** The tables are its own, or it is a superuser. */
  owns: boolean
  makes_keys: boolean
}

/** The names of applications and logins are shown to everybody; a process that is not connected now is not seen. */
export async function loadLogins(db: Queryable): Promise<Login[]> {
  const { rows } = await db.query<Login>(
    `select distinct replace(a.application_name, 'countersign ', '') as process, r.rolname as login,
       r.rolsuper or pg_has_role(r.oid, c.relowner, 'member') as owns,
       has_table_privilege(r.oid, c.oid, 'INSERT') as makes_keys
     from pg_stat_activity a join pg_roles r on r.oid = a.usesysid, pg_class c
     where a.datname = current_database() and a.application_name in ('countersign API', 'countersign worker')
       and c.oid = 'api_keys'::regclass
     order by 1, 2`,
  )
  return rows
}
