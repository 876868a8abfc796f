/** What changes for a principal that is there already. */
import type { Queryable } from '../database.ts'

interface PrincipalName {
  organization: string
  id: string
}

/** Nothing if there is no such principal. */
export async function setRoles(
  tx: Queryable,
  { organization, id, roles }: PrincipalName & { roles: readonly string[] },
): Promise<void> {
  // Its row is held until the end of the transaction: of two who set roles at once the second one's stand.
  const { rowCount } = await tx.query(
    'select from principals where organization = $1 and id = $2 for no key update',
    [organization, id],
  )
  if (rowCount !== 1) return
  await tx.query(
    `with gone as (delete from roles where organization = $1 and principal = $2 and role <> all($3::text[]))
     insert into roles (organization, principal, role) select $1, $2, unnest($3::text[]) on conflict do nothing`,
    [organization, id, roles],
  )
}

/** Nothing if there is no such principal. Who is disabled already keeps the time. */
export async function setDisabled(
  tx: Queryable,
  { organization, id, isDisabled }: PrincipalName & { isDisabled: boolean },
): Promise<void> {
  await tx.query(
    `update principals set disabled_at = case when $3::boolean then coalesce(disabled_at, app_now()) end
     where organization = $1 and id = $2`,
    [organization, id, isDisabled],
  )
}

/** Those who can administer now, held until the end of the transaction: two of them cannot shut each other out. */
export async function lockAdministrators(tx: Queryable, organization: string): Promise<string[]> {
  const { rows } = await tx.query<{ id: string }>(
    `select p.id from principals p
     where p.organization = $1 and p.disabled_at is null and exists (
       select from api_keys k where k.organization = p.organization and k.principal = p.id and 'admin' = any(k.scopes)
         and k.revoked_at is null and (k.expires_at is null or k.expires_at > app_now()))
     order by p.id for no key update of p`,
    [organization],
  )
  return rows.map(({ id }) => id)
}
