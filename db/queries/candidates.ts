/** Who could approve. This file only reads. */
import type { PrincipalKind } from '../../schemas/run.ts'
import type { Queryable } from '../database.ts'

export interface PrincipalRow {
  id: string
  kind: PrincipalKind
  display_name: string
  roles: string[]
}

/** A column; `p` is the principal. */
export const ROLES = `array(select role from roles where organization = p.organization and principal = p.id order by role)`

/** People who are named, or have one of the roles. */
export async function listCandidates(
  db: Queryable,
  params: { organization: string; roles: string[]; people: string[] },
): Promise<PrincipalRow[]> {
  const { rows } = await db.query<PrincipalRow>(
    `select p.id, p.kind, p.display_name, ${ROLES} as roles from principals p
     where p.organization = $1 and p.kind = 'person' and p.disabled_at is null
       and (p.id = any($3::text[]) or exists (
         select from roles r where r.organization = p.organization and r.principal = p.id and r.role = any($2::text[])))
     order by p.id`,
    [params.organization, params.roles, params.people],
  )
  return rows
}
