/** Handlers: principals. */
import { inTransaction, type Queryable } from '../../db/database.ts'
import { lockAdministrators, setDisabled, setRoles } from '../../db/queries/principal-changes.ts'
import { findPrincipalRow, listPrincipals, type PrincipalListRow } from '../../db/queries/principals.ts'
import { CodedError } from '../../schemas/errors.ts'
import { OPERATIONS } from '../../schemas/operations.ts'
import { NamePositionSchema, openList } from '../pages.ts'
import { isoTime } from '../views.ts'
import { implement } from './implement.ts'

const list = implement(OPERATIONS.listPrincipals, async ({ database }, { query, principal }) => {
  const list = openList('principals', query, NamePositionSchema)
  const { limit, after } = list
  const rows = await listPrincipals(database, {
    ...query,
    organization: principal.organization,
    after,
    limit,
  })
  return list.page(rows, { item: principalView, position: ({ id }) => id })
})

const get = implement(OPERATIONS.getPrincipal, ({ database }, { params, principal }) =>
  requirePrincipal(database, { organization: principal.organization, id: params.principal_id }),
)

const roles = implement(OPERATIONS.setPrincipalRoles, ({ database }, { params, body, principal }) => {
  const name = { organization: principal.organization, id: params.principal_id }
  return inTransaction(database, async (tx) => {
    await setRoles(tx, { ...name, roles: [...new Set(body.roles)] })
    return requirePrincipal(tx, name)
  })
})

const disable = implement(OPERATIONS.disablePrincipal, ({ database }, { params, principal }) => {
  const name = { organization: principal.organization, id: params.principal_id }
  return inTransaction(database, async (tx) => {
    const administrators = await lockAdministrators(tx, name.organization)
    if (administrators.length === 1 && administrators[0] === name.id) {
      throw new CodedError('LAST_ADMIN', `Nobody but ${name.id} has a valid key with the scope \`admin\`.`)
    }
    await setDisabled(tx, { ...name, isDisabled: true })
    return requirePrincipal(tx, name)
  })
})

const enable = implement(OPERATIONS.enablePrincipal, ({ database }, { params, principal }) => {
  const name = { organization: principal.organization, id: params.principal_id }
  return inTransaction(database, async (tx) => {
    await setDisabled(tx, { ...name, isDisabled: false })
    return requirePrincipal(tx, name)
  })
})

/** Throws NOT_FOUND. */
async function requirePrincipal(db: Queryable, name: { organization: string; id: string }) {
  const row = await findPrincipalRow(db, name)
  if (!row) throw new CodedError('NOT_FOUND', `There is no principal ${name.id}.`)
  return principalView(row)
}

function principalView(row: PrincipalListRow) {
  return {
    ...row,
    created_at: isoTime(row.created_at),
    disabled_at: row.disabled_at && isoTime(row.disabled_at),
  }
}

export const principalOperations = [list, get, roles, disable, enable]
