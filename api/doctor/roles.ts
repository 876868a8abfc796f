/** Whether the API and the workers log in to the database as somebody who may do no more than they need. */
import { loadLogins, type Login } from '../../db/queries/logins.ts'
import type { Queryable } from '../../db/database.ts'
import type { Check } from '../../schemas/operations/health.ts'
import { ok, warn } from './check.ts'

export async function rolesCheck(database: Queryable): Promise<Check> {
  return judgeLogins(await loadLogins(database))
}

export function judgeLogins(logins: readonly Login[]): Check {
  const name = 'database_roles'
  const mighty = logins.filter((login) => login.owns || (login.process === 'worker' && login.makes_keys))
  if (mighty.length === 0) {
    const known = logins.map(({ process, login }) => `${process} as ${login}`).join(', ')
    return ok(name, `Each may do what it needs: ${known}.`)
  }
  const who = mighty.map(({ process, login }) => `The ${process} logs in as ${login}`).join('. ')
  return warn(
    name,
    `${who}, who may make keys and change policies: with that address anybody could.`,
    'Give API and worker logins of their own: docs/how-to/operate.md, "Three logins for the database".',
  )
}
