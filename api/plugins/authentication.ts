/**
 * Who is asking. A key is looked up by its SHA-256 before anything of the body is read; what it may do is compared with
 * what the operation needs.
 */
import type { FastifyInstance, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import type { Database } from '../../db/database.ts'
import { findApiKey, type ApiKeyRow } from '../../db/queries/principals.ts'
import { sha256Hex } from '../../lib/canonical-json.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { Scope } from '../../schemas/operations/operation.ts'
import type { PrincipalKind } from '../../schemas/run.ts'
import type { ApiDeps } from '../deps.ts'

export interface Principal {
  organization: string
  id: string
  kind: PrincipalKind
  roles: string[]
  scopes: string[]
  keyId: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Null until the request is authenticated. */
    principal: Principal | null
  }
}

const PREFIX = 'Bearer '

export function installAuthentication(app: FastifyInstance): void {
  app.decorateRequest('principal', null)
}

/** For a route: authenticates, and refuses a key without the scope. */
export function requireScope(
  deps: Pick<ApiDeps, 'database' | 'limits'>,
  scope: Scope,
): onRequestAsyncHookHandler {
  return async (request) => {
    const principal = await identify(deps, request)
    if (!principal.scopes.includes(scope)) {
      throw new CodedError('FORBIDDEN', `The key of ${principal.id} lacks the scope \`${scope}\`.`)
    }
    request.principal = principal
  }
}

/** Of a request whose route requires a scope. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null) throw new CodedError('UNAUTHENTICATED', 'Nobody is authenticated.')
  return request.principal
}

/** Bounded: neither can keys be guessed fast, nor can one key keep the others from being served. */
async function identify(
  { database, limits }: Pick<ApiDeps, 'database' | 'limits'>,
  request: FastifyRequest,
): Promise<Principal> {
  try {
    const principal = await authenticate(database, request.headers.authorization)
    limits?.takeOfKey(principal.keyId)
    return principal
  } catch (error) {
    if (error instanceof CodedError && error.code === 'UNAUTHENTICATED') limits?.noteUnknown(request)
    throw error
  }
}

async function authenticate(database: Database, header: string | undefined): Promise<Principal> {
  if (!header?.startsWith(PREFIX)) {
    throw new CodedError('UNAUTHENTICATED', 'The header `Authorization: Bearer <key>` is missing.')
  }
  const principal = await findPrincipal(database, header.slice(PREFIX.length))
  if (!principal) throw new CodedError('UNAUTHENTICATED', 'The key is unknown, revoked or expired.')
  return principal
}

/** The principal behind a key; undefined if the key is not valid now. */
export async function findPrincipal(database: Database, key: string): Promise<Principal | undefined> {
  const row = await findApiKey(database, sha256Hex(key))
  return row && toPrincipal(row)
}

function toPrincipal(row: ApiKeyRow): Principal {
  const { organization, principal, kind, roles, scopes, id } = row
  return { organization, id: principal, kind, roles, scopes, keyId: id }
}
