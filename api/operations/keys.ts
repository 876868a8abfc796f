/** Handlers: API keys. The key itself is given once and kept as a hash. */
import { inTransaction, type Database } from '../../db/database.ts'
import { lockAdministrators } from '../../db/queries/principal-changes.ts'
import {
  findListedKey,
  findPrincipalRow,
  insertApiKey,
  listApiKeys,
  revokeApiKey,
  upsertPrincipal,
  type ApiKeyListRow,
} from '../../db/queries/principals.ts'
import { sha256Hex } from '../../lib/canonical-json.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import type { PrincipalKind } from '../../schemas/run.ts'
import { newApiKey, newId, newTriggerToken } from '../ids.ts'
import { openList, TimePositionSchema } from '../pages.ts'
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
  /** ISO 8601. */
  expiresAt?: string | undefined
}

const create = implement(OPERATIONS.createKey, async ({ database }, { body, principal }) => {
  const scopes = [...new Set(body.scopes)]
  checkTriggerKey(body.principal, scopes)
  const { organization } = principal
  const expiresAt = body.expires_at === undefined ? undefined : futureTime(body.expires_at)
  const made = await makeKey(database, { organization, principal: body.principal, scopes, expiresAt })
  return { ...made, principal: body.principal.id, scopes, expires_at: expiresAt ?? null }
})

const list = implement(OPERATIONS.listKeys, async ({ database }, { query, principal }) => {
  const list = openList('keys', query, TimePositionSchema)
  const rows = await listApiKeys(database, {
    organization: principal.organization,
    principal: query.principal,
    state: query.state === 'all' ? undefined : query.state,
    after: list.after,
    limit: list.limit,
  })
  return list.page(rows, {
    item: keyView,
    position: ({ position, id }) => ({ createdAt: position, id }),
  })
})

const get = implement(OPERATIONS.getKey, async ({ database }, { params, principal }) => {
  const { organization } = principal
  const row = await findListedKey(database, { organization, id: params.key_id })
  if (!row) throw new CodedError('NOT_FOUND', `There is no key ${params.key_id}.`)
  return keyView(row)
})

const revoke = implement(OPERATIONS.revokeKey, async ({ database }, { params, principal }) => {
  const { organization } = principal
  return inTransaction(database, async (tx) => {
    // Held until the end: of two who revoke at once, the second sees what the first has left.
    const before = await lockAdministrators(tx, organization)
    const found = await revokeApiKey(tx, { organization, id: params.key_id })
    if (!found) throw new CodedError('NOT_FOUND', `There is no key ${params.key_id}.`)
    const isLast = before.length > 0 && (await lockAdministrators(tx, organization)).length === 0
    if (isLast) throw new CodedError('LAST_ADMIN', 'No other key with the scope `admin` is valid.')
    return { id: params.key_id, revoked: true as const }
  })
})

function keyView({ position: _position, ...row }: ApiKeyListRow) {
  return {
    ...row,
    created_at: isoTime(row.created_at),
    expires_at: row.expires_at && isoTime(row.expires_at),
    revoked_at: row.revoked_at && isoTime(row.revoked_at),
  }
}

/** Throws INVALID_INPUT for what is over already. */
function futureTime(text: string): string {
  const time = new Date(text)
  if (time.getTime() > Date.now()) return time.toISOString()
  throw new CodedError('INVALID_INPUT', 'expires_at: it must be in the future.')
}

/** Makes the principal if need be, and a key for it. Roles and name that are not given stay as they are. */
export async function makeKey(
  database: Database,
  { organization, principal, scopes, expiresAt }: NewKey,
): Promise<{ id: string; key: string; roles: string[] }> {
  const id = newId('key')
  const key = scopes.includes('trigger') ? newTriggerToken() : newApiKey()
  return inTransaction(database, async (tx) => {
    const known = await findPrincipalRow(tx, { organization, id: principal.id })
    if (known?.disabled_at) {
      throw new CodedError('INVALID_INPUT', `principal.id: ${principal.id} is disabled; enable it first.`)
    }
    if (known && known.kind !== principal.kind) {
      // Who becomes a person may approve: that is not done on the side.
      throw new CodedError('INVALID_INPUT', `principal.kind: ${principal.id} is of kind ${known.kind}.`)
    }
    const roles = [...new Set(principal.roles ?? known?.roles ?? [])]
    const displayName = principal.display_name ?? known?.display_name ?? principal.id
    await upsertPrincipal(tx, { organization, id: principal.id, kind: principal.kind, displayName, roles })
    const keySha256 = sha256Hex(key)
    await insertApiKey(tx, { id, organization, principal: principal.id, keySha256, scopes, expiresAt })
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

export const keyOperations = [create, list, get, revoke]
