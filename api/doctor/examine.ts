/** `countersign doctor`: everything a deployment needs, each looked at by itself, so that one that is away hides no other. */
import { isInUse } from '../../lib/dsse.ts'
import type { ApiDeps } from '../deps.ts'
import type { Check, getHealth } from '../../schemas/operations/health.ts'
import type { OperationOutput } from '../../schemas/operations/operation.ts'
import { fail, ok, reasonOf, warn, worstOf } from './check.ts'
import { databaseAheadMs, databaseChecks } from './database.ts'
import {
  loadSchedule,
  namespaceCheck,
  reconcilerCheck,
  reportOf,
  retentionCheck,
  searchAttributesCheck,
  temporalCheck,
  workersCheck,
  type ScheduleFacts,
} from './temporal.ts'
import { clockCheck } from './clocks.ts'
import { connectionsChecks } from './connections.ts'
import { rolesCheck } from './roles.ts'
import { runsChecks } from './runs.ts'

export async function examine(
  deps: ApiDeps,
  organization: string,
): Promise<OperationOutput<typeof getHealth>> {
  const { temporal, database } = deps
  const groups = await Promise.all([
    attempted('postgresql', 'Start PostgreSQL, or correct DATABASE_URL.', () =>
      databaseChecks(database, organization),
    ),
    temporalChecks(deps),
    attempted('clocks', 'Look at the checks of PostgreSQL and Temporal first.', async () => {
      const schedule = await loadSchedule(temporal, 'reconcile').catch(() => undefined)
      return [clockCheck(await databaseAheadMs(database), reportOf(schedule)?.clock)]
    }),
  ])
  // Without a worker nobody could look.
  const isOk = (wanted: string): boolean =>
    groups.flat().some(({ name, status }) => name === wanted && status === 'ok')
  const [connections, runs] = await Promise.all([
    isOk('workers')
      ? attempted('connections', 'Look at the check of PostgreSQL first.', () =>
          connectionsChecks(deps, organization),
        )
      : [],
    isOk('temporal')
      ? attempted('runs', 'Look at the checks of PostgreSQL and Temporal first.', () =>
          runsChecks(deps, organization),
        )
      : [],
  ])
  // Last: by now a worker has used its login.
  const roles = await attempted('database_roles', 'Look at the check of PostgreSQL first.', async () => [
    await rolesCheck(database),
  ])
  const checks = [...groups.flat(), ...connections, ...runs, ...roles, keyCheck(deps)]
  return { status: worstOf(checks), checked_at: new Date().toISOString(), checks }
}

/** If Temporal is away that is said once, and not for each thing that it could not be asked. */
async function temporalChecks({ temporal }: ApiDeps): Promise<Check[]> {
  const action = 'Start Temporal, or correct TEMPORAL_ADDRESS; what arrives meanwhile is kept.'
  const [reachable] = await attempted('temporal', action, async () => [await temporalCheck(temporal)])
  if (reachable?.status !== 'ok') return reachable ? [reachable] : []
  const nowMs = Date.now()
  const job = (name: string, kind: 'reconcile' | 'retention', judge: Judge) =>
    attempted(name, 'Look at the Schedule in the Temporal UI.', async () => [
      judge(await loadSchedule(temporal, kind), nowMs),
    ])
  const rest = await Promise.all([
    attempted('namespace', `Make it, or correct TEMPORAL_NAMESPACE (${temporal.namespace}).`, async () => [
      await namespaceCheck(temporal),
    ]),
    attempted('search_attributes', 'Give the API the right to list them.', async () => [
      await searchAttributesCheck(temporal),
    ]),
    attempted('workers', 'Give the API the right to describe task queues.', async () => [
      await workersCheck(temporal),
    ]),
    job('reconciler', 'reconcile', reconcilerCheck),
    job('retention', 'retention', retentionCheck),
  ])
  return [reachable, ...rest.flat()]
}

type Judge = (facts: ScheduleFacts | undefined, nowMs: number) => Check

async function attempted(name: string, action: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look()
  } catch (error) {
    return [fail(name, `It could not be checked: ${reasonOf(error)}`, action)]
  }
}

export function keyCheck({ signingKey, trustedKeys }: Pick<ApiDeps, 'signingKey' | 'trustedKeys'>): Check {
  const name = 'keys'
  const remake =
    'Make both keys in one folder (`countersign keys init`), and hand public.json to every process, to each with its own private key alone.'
  const own = trustedKeys.find(({ keyId }) => keyId === signingKey.keyId)
  if (own?.purpose !== 'decision') {
    const summary = `The API signs with ${signingKey.keyId}, which its own public.json does not have for decisions.`
    return fail(name, summary, remake)
  }
  const receipts = trustedKeys.filter((key) => key.purpose === 'receipt' && isInUse(key))
  if (receipts.length === 0)
    return warn(name, 'No key for receipts is known: they cannot be verified.', remake)
  return ok(
    name,
    `Decisions are signed with ${signingKey.keyId}; ${trustedKeys.filter(isInUse).length} keys are in use.`,
  )
}
