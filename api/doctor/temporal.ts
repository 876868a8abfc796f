/** What Temporal says: whether it is there, whether the namespace is ready for us, who works, and how the jobs went. */
import { ScheduleNotFoundError, type WorkflowHandle } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { ERRORS, isErrorCode } from '../../schemas/errors.ts'
import { scheduleId, SEARCH_ATTRIBUTES } from '../../schemas/names.ts'
import type { Check } from '../../schemas/operations/health.ts'
import { ReconcileReportSchema, type ReconcileReport } from '../../schemas/upkeep.ts'
import { RECONCILE_EVERY_MS } from '../schedules.ts'
import { withPatience, type TemporalAccess } from '../temporal.ts'
import { fail, ok, warn } from './check.ts'

const DAY_MS = 24 * 3_600_000
/** So long is a delivery's run protected against a second start by Temporal, and can be looked at. */
const MIN_RETENTION_DAYS = 30
/** `temporal.api.enums.v1.TaskQueueType` */
const TASK_QUEUES = { workflows: 1, activities: 2 } as const
/** A worker that polls asks anew at least once a minute. */
const POLLED_WITHIN_MS = 2 * 60_000

export async function temporalCheck(temporal: TemporalAccess): Promise<Check> {
  const info = await withPatience(temporal, () => temporal.connection.workflowService.getSystemInfo({}))
  return ok('temporal', `Temporal ${info.serverVersion ?? ''} answers.`.replace('  ', ' '))
}

export async function namespaceCheck(temporal: TemporalAccess): Promise<Check> {
  const { connection, namespace } = temporal
  const name = 'namespace'
  const { config } = await withPatience(temporal, () =>
    connection.workflowService.describeNamespace({ namespace }),
  )
  const days = Math.floor(Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) / 86_400)
  if (days >= MIN_RETENTION_DAYS) return ok(name, `${namespace} keeps what has ended for ${days} days.`)
  return warn(
    name,
    `${namespace} keeps what has ended for ${days} days only: runs cannot be looked at, or reset, after that.`,
    `temporal operator namespace update --retention ${MIN_RETENTION_DAYS}d ${namespace}`,
  )
}

export async function searchAttributesCheck(temporal: TemporalAccess): Promise<Check> {
  const { connection, namespace } = temporal
  const name = 'search_attributes'
  const { customAttributes } = await withPatience(temporal, () =>
    connection.operatorService.listSearchAttributes({ namespace }),
  )
  const missing = Object.values(SEARCH_ATTRIBUTES).filter(
    (attribute) => !Object.hasOwn(customAttributes ?? {}, attribute),
  )
  if (missing.length === 0) return ok(name, 'All are registered.')
  const flags = missing.map((attribute) => `--name ${attribute} --type Keyword`).join(' ')
  return warn(
    name,
    `Not registered, so runs cannot be found by them: ${missing.join(', ')}.`,
    `temporal operator search-attribute create --namespace ${namespace} ${flags}, then start the API anew.`,
  )
}

export async function workersCheck(temporal: TemporalAccess): Promise<Check> {
  const { connection, namespace, taskQueue } = temporal
  const polling = async (taskQueueType: number): Promise<string[]> => {
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType,
    })
    return (pollers ?? [])
      .filter(
        ({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1_000 > Date.now() - POLLED_WITHIN_MS,
      )
      .map(({ identity }) => identity ?? '?')
  }
  const [workflows, activities] = await withPatience(temporal, () =>
    Promise.all([polling(TASK_QUEUES.workflows), polling(TASK_QUEUES.activities)]),
  )
  const workers = new Set([...workflows, ...activities])
  const start = 'Start a worker with the same COUNTERSIGN_TASK_QUEUE and TEMPORAL_NAMESPACE as the API.'
  if (workers.size === 0) return fail('workers', `Nobody works on task queue ${taskQueue}.`, start)
  if (workflows.length === 0) return fail('workers', `No worker on ${taskQueue} runs workflows.`, start)
  if (activities.length === 0) return fail('workers', `No worker on ${taskQueue} runs activities.`, start)
  return ok('workers', `${workers.size} on task queue ${taskQueue}: ${[...workers].sort().join(', ')}.`)
}

interface LastRun {
  takenAtMs: number
  state: string
  result: unknown
  /** Of one that failed: our code, if it was ours. */
  code: string | null
}

export interface ScheduleFacts {
  isPaused: boolean
  note: string
  /** Null before the first. */
  last: LastRun | null
  createdAtMs: number
}

const REMAKE = 'Start the API anew: it makes the Schedule.'

/** Undefined if there is no such Schedule. */
export async function loadSchedule(
  temporal: TemporalAccess,
  kind: 'reconcile' | 'retention',
): Promise<ScheduleFacts | undefined> {
  const { client, taskQueue } = temporal
  try {
    return await withPatience(temporal, async () => {
      const { state, info } = await client.schedule.getHandle(scheduleId(kind, taskQueue)).describe()
      const recent = info.recentActions.at(-1)
      const facts = { isPaused: state.paused, note: state.note ?? '', createdAtMs: info.createdAt.getTime() }
      if (!recent) return { ...facts, last: null }
      const { workflowId, firstExecutionRunId } = recent.action.workflow
      const handle = client.workflow.getHandle(workflowId, firstExecutionRunId)
      const { status } = await handle.describe()
      const result: unknown = status.name === 'COMPLETED' ? await handle.result() : null
      const code = status.name === 'FAILED' ? await codeOf(handle) : null
      return { ...facts, last: { takenAtMs: recent.takenAt.getTime(), state: status.name, result, code } }
    })
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined
    throw error
  }
}

async function codeOf(handle: WorkflowHandle): Promise<string | null> {
  try {
    await handle.result()
    return null
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause)
      if (cause instanceof ApplicationFailure && isErrorCode(cause.type)) return cause.type
    return null
  }
}

export function reconcilerCheck(facts: ScheduleFacts | undefined, nowMs: number): Check {
  const late = scheduleProblem('reconciler', facts, { everyMs: RECONCILE_EVERY_MS, nowMs })
  if (late) return late
  const report = reportOf(facts)
  if (!report) return ok('reconciler', 'It has not had its first pass yet.')
  const { looked, withdrawn, unknown, approvals, failed, doubted, unproven } = report
  if (unproven > 0) return changedRows(unproven)
  if (failed > 0) {
    return warn(
      'reconciler',
      `${failed} open rows could not be closed in its last pass.`,
      'Look at the log of the workers.',
    )
  }
  if (doubted > 0) {
    return warn(
      'reconciler',
      `Temporal does not know the executions of ${doubted} open rows, nor any of our latest runs: nothing was concluded.`,
      'Correct TEMPORAL_NAMESPACE. If Temporal was lost, start a run: then what is gone is closed.',
    )
  }
  const closed = `closed ${withdrawn + unknown} writes and ${approvals} approvals`
  return ok('reconciler', `Its last pass looked at ${looked} open rows and ${closed}.`)
}

function changedRows(count: number): Check {
  return fail(
    'reconciler',
    `${count} open rows of the ledger are not as a worker has planned them: nothing was concluded of them.`,
    'Somebody may have changed the table writebacks: change its passwords, and look at the targets of these writes.',
  )
}

export function retentionCheck(facts: ScheduleFacts | undefined, nowMs: number): Check {
  const late = scheduleProblem('retention', facts, { everyMs: DAY_MS, nowMs })
  if (late) return late
  return ok(
    'retention',
    facts?.last ? 'It has run within the last days.' : 'It has not run yet; it does at night.',
  )
}

/** Three rounds without one that ended well are no accident. */
function scheduleProblem(
  name: string,
  facts: ScheduleFacts | undefined,
  { everyMs, nowMs }: { everyMs: number; nowMs: number },
): Check | undefined {
  if (!facts) return fail(name, 'There is no Schedule for it.', REMAKE)
  if (facts.isPaused) {
    const summary = `Its Schedule is paused${facts.note === '' ? '' : ` (${facts.note})`}.`
    return warn(name, summary, 'Unpause it in the Temporal UI, under Schedules.')
  }
  const sinceMs = nowMs - (facts.last?.takenAtMs ?? facts.createdAtMs)
  if (sinceMs > 3 * everyMs) {
    const summary = `Its last round began ${Math.round(sinceMs / 60_000)} minutes ago.`
    return fail(name, summary, 'See whether workers run, and look at the Schedule in the Temporal UI.')
  }
  const { last } = facts
  if (last?.code === 'RECONCILER_OFF') {
    const summary =
      'It is switched off on the workers (COUNTERSIGN_RECONCILER=off): nothing is concluded of runs that are over.'
    return warn(name, summary, ERRORS.RECONCILER_OFF.hint)
  }
  if (last && !['COMPLETED', 'RUNNING'].includes(last.state)) {
    const why = last.code === null ? '' : ` with ${last.code}`
    return fail(
      name,
      `Its last round ended as ${last.state}${why}.`,
      'Look at that workflow in the Temporal UI.',
    )
  }
  return undefined
}

export function reportOf(facts: ScheduleFacts | undefined): ReconcileReport | undefined {
  return ReconcileReportSchema.safeParse(facts?.last?.result).data
}
