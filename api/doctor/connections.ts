/**
 * Whether the servers of the organization's connections answer our workers, databases may be connected to, and which
 * connections are frozen.
 */
import { listConnections } from '../../db/queries/freezes.ts'
import { shellWord } from '../../lib/shell-text.ts'
import type { Check } from '../../schemas/operations/health.ts'
import type { ApiDeps } from '../deps.ts'
import { fail, ok, reasonOf, warn } from './check.ts'

/** Each is a short workflow on a worker; a deployment has a handful. */
const MAX_LOOKED_AT = 20
/** A server that takes longer is not ready, and people wait for this answer. */
const PATIENCE_MS = 10_000

export async function connectionsCheck(
  { database, inspectTools }: Pick<ApiDeps, 'database' | 'inspectTools'>,
  organization: string,
): Promise<Check> {
  const connections = await listConnections(database, { organization, limit: 500 })
  const asked = connections.slice(0, MAX_LOOKED_AT)
  const looks = await Promise.all(
    asked.map(({ name }) =>
      inTime(inspectTools(organization, name)).then(
        ({ warnings }) => ({ warnings: warnings.map(({ message }) => ({ name, message })) }),
        (error: unknown) => ({ warnings: [], broken: `${name}: ${reasonOf(error)}` }),
      ),
    ),
  )
  const frozen = connections.filter(({ frozen_at }) => frozen_at !== null).map(({ name }) => name)
  return judgeConnections({
    count: connections.length,
    answered: asked.filter(({ type }) => type === 'mcp').length,
    broken: looks.flatMap((look) => ('broken' in look ? [look.broken] : [])),
    frozen,
    odd: looks.flatMap(({ warnings }) => warnings),
  })
}

export interface ConnectionFacts {
  count: number
  /** MCP servers that were asked. */
  answered: number
  /** Of those, what was wrong. */
  broken: readonly string[]
  frozen: readonly string[]
  /** What servers say of their tools that cannot be read or checked. */
  odd: readonly { name: string; message: string }[]
}

export function judgeConnections({ count, answered, broken, frozen, odd }: ConnectionFacts): Check {
  const name = 'connections'
  const [first] = broken
  if (first !== undefined) {
    const more = broken.length > 1 ? ` (and ${broken.length - 1} more)` : ''
    const action = 'Correct its address or credentials, then `countersign apply` it; or start its server.'
    return fail(name, `${first}${more}`, action)
  }
  if (frozen.length > 0) {
    const action = `If that is no longer wanted: countersign connections thaw ${shellWord(frozen[0] ?? '')}`
    return warn(name, `Frozen, so that their writes are held: ${frozen.join(', ')}.`, action)
  }
  const [strange] = odd
  if (strange !== undefined) {
    const more = odd.length > 1 ? ` (and ${odd.length - 1} more)` : ''
    const action = `All that can be used is used; look at the rest: countersign connections show ${shellWord(strange.name)}`
    return warn(name, `${strange.name}: ${strange.message}${more}`, action)
  }
  if (count === 0) return ok(name, 'There are none yet.')
  return ok(name, `${count} are saved; ${answered} MCP servers answered a worker.`)
}

async function inTime<Value>(work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`it has not answered within ${PATIENCE_MS / 1_000} s`)
    timer = setTimeout(() => reject(error), PATIENCE_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
