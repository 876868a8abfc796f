/** Handlers: API keys. The key itself is given once and kept as a hash. */
import { inTransaction, type Database } from '../../db/database.ts'
import {
  insertApiKey,
  listApiKeys,
  listPrincipals,
  loadPrincipals,
  revokeApiKey,
  upsertPrincipal,
} from '../../db/queries/principals.ts'
import { sha256Hex } from '../../lib/canonical-json.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import type { PrincipalKind } from '../../schemas/run.ts'
import { newApiKey, newId, newTriggerToken } from '../ids.ts'
import { NamePositionSchema, openList, TimePositionSchema } from '../pages.ts'
import { isoTime } from '../views.ts'
import { implement } from './implement.ts'

const CONNECTION_PRINCIPAL = /^connection\/[a-z][a-z0-9_-]{0,62}$/

export interface NewKey {
  organization: string
  principal: {
    id: string
    kind: PrincipalKind
    display_name?: string | undefined
    roles?: string[] | undefined
  }
  scopes: string[]
}

const create = implement(OPERATIONS.createKey, async ({ database }, { body, principal }) => {
  const scopes = [...new Set(body.scopes)]
  checkTriggerKey(body.principal, scopes)
  const { organization } = principal
  const made = await makeKey(database, { organization, principal: body.principal, scopes })
  return { ...made, principal: body.principal.id, scopes }
})

const list = implement(OPERATIONS.listKeys, async ({ database }, { query, principal }) => {
  const list = openList('keys', query, TimePositionSchema)
  const rows = await listApiKeys(database, {
    organization: principal.organization,
    principal: query.principal,
    revoked: query.state === 'all' ? undefined : query.state === 'revoked',
    after: list.after,
    limit: list.limit,
  })
  return list.page(rows, {
    item: ({ position: _position, ...row }) => ({
      ...row,
      created_at: isoTime(row.created_at),
      revoked_at: row.revoked_at && isoTime(row.revoked_at),
    }),
    position: ({ position, id }) => ({ createdAt: position, id }),
  })
})

const principals = implement(OPERATIONS.listPrincipals, async ({ database }, { query, principal }) => {
  const list = openList('principals', query, NamePositionSchema)
  const { limit, after } = list
  const rows = await listPrincipals(database, {
    ...query,
    organization: principal.organization,
    after,
    limit,
  })
  return list.page(rows, {
    item: (row) => ({
      ...row,
      created_at: isoTime(row.created_at),
      disabled_at: row.disabled_at && isoTime(row.disabled_at),
    }),
    position: ({ id }) => id,
  })
})

const revoke = implement(OPERATIONS.revokeKey, async ({ database }, { params, principal }) => {
  const { organization } = principal
  const found = await revokeApiKey(database, { organization, id: params.key_id })
  if (!found) throw new CodedError('NOT_FOUND', `There is no key ${params.key_id}.`)
  return { id: params.key_id, revoked: true as const }
})

/** Makes the principal if need be, and a key for it. Roles and name that are not given stay as they are. */
export async function makeKey(
  database: Database,
  { organization, principal, scopes }: NewKey,
): Promise<{ id: string; key: string; roles: string[] }> {
  const id = newId('key')
  const key = scopes.includes('trigger') ? newTriggerToken() : newApiKey()
  return inTransaction(database, async (tx) => {
    const [known] = await loadPrincipals(tx, { organization, ids: [principal.id] })
    if (known && known.kind !== principal.kind) {
      // Who becomes a person may approve: that is not done on the side.
      throw new CodedError('INVALID_INPUT', `principal.kind: ${principal.id} is of kind ${known.kind}.`)
    }
    const roles = [...new Set(principal.roles ?? known?.roles ?? [])]
    const displayName = principal.display_name ?? known?.display_name ?? principal.id
    await upsertPrincipal(tx, { organization, id: principal.id, kind: principal.kind, displayName, roles })
    const keySha256 = sha256Hex(key)
    await insertApiKey(tx, { id, organization, principal: principal.id, keySha256, scopes })
    return { id, key, roles }
  })
}

function checkTriggerKey(principal: NewKey['principal'], scopes: readonly string[]): void {
  const isConnection = CONNECTION_PRINCIPAL.test(principal.id) && principal.kind === 'service'
  if (!scopes.includes('trigger')) {
    if (!principal.id.startsWith('connection/')) return
    throw new CodedError('INVALID_INPUT', 'scopes: a connection gets keys with the scope `trigger` only.')
  }
  if (scopes.length > 1) {
    throw new CodedError('INVALID_INPUT', 'scopes: `trigger` goes with no other scope.')
  }
  if (!isConnection) {
    throw new CodedError(
      'INVALID_INPUT',
      'principal: the scope `trigger` is for `connection/<name>` of kind service.',
    )
  }
}

export const keyOperations = [create, list, principals, revoke]
