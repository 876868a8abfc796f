/** Principals, their roles, and the keys that prove who they are. Keys are kept as SHA-256 only. */
import type { PrincipalKind } from '../../schemas/run.ts'
import type { Queryable } from '../database.ts'
import { ROLES, type PrincipalRow } from './candidates.ts'

export type { PrincipalRow } from './candidates.ts'

export interface ApiKeyRow {
  id: string
  organization: string
  principal: string
  kind: PrincipalKind
  roles: string[]
  scopes: string[]
}

/** Makes the principal or updates it; the roles given replace those it had. */
export async function upsertPrincipal(
  tx: Queryable,
  params: { organization: string; id: string; kind: PrincipalKind; displayName: string; roles: string[] },
): Promise<void> {
  await tx.query(
    `with person as (
       insert into principals (organization, id, kind, display_name) values ($1, $2, $3, $4)
       on conflict (organization, id) do update set kind = excluded.kind, display_name = excluded.display_name
       returning organization, id),
     gone as (
       delete from roles where organization = $1 and principal = $2 and role <> all($5::text[]))
     insert into roles (organization, principal, role)
     select organization, id, unnest($5::text[]) from person on conflict do nothing`,
    [params.organization, params.id, params.kind, params.displayName, params.roles],
  )
}

/** Those of the ids that exist and are not disabled, with the roles they have now. */
export async function loadPrincipals(
  db: Queryable,
  params: { organization: string; ids: string[] },
): Promise<PrincipalRow[]> {
  const { rows } = await db.query<PrincipalRow>(
    `select p.id, p.kind, p.display_name, ${ROLES} as roles from principals p
     where p.organization = $1 and p.id = any($2::text[]) and p.disabled_at is null`,
    [params.organization, params.ids],
  )
  return rows
}

export async function insertApiKey(
  tx: Queryable,
  params: {
    id: string
    organization: string
    principal: string
    keySha256: string
    scopes: string[]
    /** ISO 8601. */
    expiresAt?: string | undefined
  },
): Promise<void> {
  const { id, organization, principal, keySha256, scopes, expiresAt } = params
  await tx.query(
    `insert into api_keys (id, organization, principal, key_sha256, scopes, expires_at)
     values ($1, $2, $3, $4, $5::text[], $6)`,
    [id, organization, principal, keySha256, scopes, expiresAt ?? null],
  )
}

/** The key with this hash if it is valid now. Looking up a hash tells nothing about how near a guess was. */
export async function findApiKey(db: Queryable, keySha256: string): Promise<ApiKeyRow | undefined> {
  const { rows } = await db.query<ApiKeyRow>(
    `select k.id, k.organization, k.principal, p.kind, ${ROLES} as roles, k.scopes
     from api_keys k join principals p on p.organization = k.organization and p.id = k.principal
     where k.key_sha256 = $1 and k.revoked_at is null and p.disabled_at is null
       and (k.expires_at is null or k.expires_at > app_now())`,
    [keySha256],
  )
  return rows[0]
}

export interface ApiKeyListRow {
  id: string
  principal: string
  scopes: string[]
  roles: string[]
  created_at: Date
  expires_at: Date | null
  revoked_at: Date | null
  /** `created_at` to the microsecond. */
  position: string
}

const KEY_COLUMNS = `k.id, k.principal, k.scopes, ${ROLES} as roles, k.created_at, k.expires_at, k.revoked_at,
  to_jsonb(k.created_at) #>> '{}' as position`
const KEYS = 'api_keys k join principals p on p.organization = k.organization and p.id = k.principal'
const KEY_STATE = `case when k.revoked_at is not null then 'revoked' when k.expires_at <= app_now() then 'expired'
  else 'active' end`

export async function findListedKey(
  db: Queryable,
  params: { organization: string; id: string },
): Promise<ApiKeyListRow | undefined> {
  const { rows } = await db.query<ApiKeyListRow>(
    `select ${KEY_COLUMNS} from ${KEYS} where k.organization = $1 and k.id = $2`,
    [params.organization, params.id],
  )
  return rows[0]
}

/** Oldest first. */
export async function listApiKeys(
  db: Queryable,
  params: {
    organization: string
    principal?: string | undefined
    state?: 'active' | 'expired' | 'revoked' | undefined
    after?: { createdAt: string; id: string } | undefined
    limit: number
  },
): Promise<ApiKeyListRow[]> {
  const { rows } = await db.query<ApiKeyListRow>(
    `select ${KEY_COLUMNS} from ${KEYS} where k.organization = $1 and ($2::text is null or k.principal = $2)
       and ($3::text is null or ${KEY_STATE} = $3)
       and ($4::timestamptz is null or (k.created_at, k.id) > ($4::timestamptz, $5::text))
     order by k.created_at, k.id limit $6`,
    [
      params.organization,
      params.principal ?? null,
      params.state ?? null,
      params.after?.createdAt ?? null,
      params.after?.id ?? null,
      params.limit,
    ],
  )
  return rows
}

export interface PrincipalListRow extends PrincipalRow {
  created_at: Date
  disabled_at: Date | null
}

const PRINCIPAL_COLUMNS = `p.id, p.kind, p.display_name, ${ROLES} as roles, p.created_at, p.disabled_at`

/** Also one that is disabled. */
export async function findPrincipalRow(
  db: Queryable,
  params: { organization: string; id: string },
): Promise<PrincipalListRow | undefined> {
  const { rows } = await db.query<PrincipalListRow>(
    `select ${PRINCIPAL_COLUMNS} from principals p where p.organization = $1 and p.id = $2`,
    [params.organization, params.id],
  )
  return rows[0]
}

/** By id. */
export async function listPrincipals(
  db: Queryable,
  params: {
    organization: string
    kind?: PrincipalKind | undefined
    role?: string | undefined
    after?: string | undefined
    limit: number
  },
): Promise<PrincipalListRow[]> {
  const { rows } = await db.query<PrincipalListRow>(
    `select ${PRINCIPAL_COLUMNS} from principals p
     where p.organization = $1 and ($2::text is null or p.kind = $2) and ($3::text is null or p.id > $3)
       and ($4::text is null or exists (
         select from roles r where r.organization = p.organization and r.principal = p.id and r.role = $4))
     order by p.id limit $5`,
    [params.organization, params.kind ?? null, params.after ?? null, params.role ?? null, params.limit],
  )
  return rows
}

/** False if there is no such key in this organization. */
export async function revokeApiKey(
  db: Queryable,
  params: { organization: string; id: string },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `update api_keys set revoked_at = coalesce(revoked_at, app_now()) where organization = $1 and id = $2`,
    [params.organization, params.id],
  )
  return rowCount === 1
}
