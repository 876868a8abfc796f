/**
 * Whether the servers of the organization's connections answer our workers, databases may be connected to, and which
 * connections are frozen.
 */
import { listConnections } from '../../db/queries/freezes.ts'
import { shellWord } from '../../lib/shell-text.ts'
import { CodedError, ERRORS } from '../../schemas/errors.ts'
import type { Check } from '../../schemas/operations/health.ts'
import type { ApiDeps } from '../deps.ts'
import { fail, ok, reasonOf, warn } from './check.ts'

/** Each is a short workflow on a worker; a deployment has a handful. */
const MAX_LOOKED_AT = 20
/** A server that takes longer is not ready, and people wait for this answer. */
const PATIENCE_MS = 10_000

export async function connectionsChecks(
  { database, inspectTools }: Pick<ApiDeps, 'database' | 'inspectTools'>,
  organization: string,
): Promise<Check[]> {
  const connections = await listConnections(database, { organization, limit: 500 })
  const asked = connections.slice(0, MAX_LOOKED_AT)
  const looks = await Promise.all(
    asked.map(({ name }) =>
      inTime(inspectTools(organization, name)).then(
        ({ warnings }) => ({ odd: warnings.map(({ message }) => ({ name, message })), broken: [] }),
        (error: unknown) => ({
          odd: [],
          broken: [{ name, reason: reasonOf(error), action: actionOf(error) }],
        }),
      ),
    ),
  )
  const frozen = connections.filter(({ frozen_at }) => frozen_at !== null).map(({ name }) => name)
  return judgeConnections({
    count: connections.length,
    answered: asked.filter(({ type }) => type === 'mcp').length,
    broken: looks.flatMap(({ broken }) => broken),
    frozen,
    odd: looks.flatMap(({ odd }) => odd),
  })
}

function actionOf(error: unknown): string {
  if (error instanceof CodedError && error.code !== 'CONNECTION_NOT_READY') return ERRORS[error.code].hint
  return 'Start its server; or correct its address or credentials, and `countersign apply` it.'
}

export interface ConnectionFacts {
  count: number
  /** MCP servers that were asked. */
  answered: number
  /** Of those, what was wrong. */
  broken: readonly { name: string; reason: string; action: string }[]
  frozen: readonly string[]
  /** What servers say of their tools that cannot be read or checked. */
  odd: readonly { name: string; message: string }[]
}

/** One for each that is broken: a first one that is named hides what is wrong with the others. */
export function judgeConnections({ count, answered, broken, frozen, odd }: ConnectionFacts): Check[] {
  const name = 'connections'
  const failed = broken.map((each) =>
    fail(name, each.reason.includes(each.name) ? each.reason : `${each.name}: ${each.reason}`, each.action),
  )
  if (frozen.length > 0) {
    const action = `If that is no longer wanted: countersign connections thaw ${shellWord(frozen[0] ?? '')}`
    return [...failed, warn(name, `Frozen, so that their writes are held: ${frozen.join(', ')}.`, action)]
  }
  if (failed.length > 0) return failed
  const [strange] = odd
  if (strange !== undefined) {
    const more = odd.length > 1 ? ` (and ${odd.length - 1} more)` : ''
    const action = `All that can be used is used; look at the rest: countersign connections show ${shellWord(strange.name)}`
    return [warn(name, `${strange.name}: ${strange.message}${more}`, action)]
  }
  if (count === 0) return [ok(name, 'There are none yet.')]
  return [ok(name, `${count} are saved; ${answered} MCP servers answered a worker.`)]
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
