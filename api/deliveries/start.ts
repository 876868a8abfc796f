/**
 * Starts what a delivery has frozen. Safe to repeat: the workflow id follows from the delivery, so a second start finds
 * the first. If Temporal is away the delivery stays `pending`, and whoever comes later starts it: a resend, or the relay.
 */
import { defineSearchAttributeKey, SearchAttributeType, type SearchAttributePair } from '@temporalio/common'
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type WorkflowStartOptions,
} from '@temporalio/client'
import type { Database } from '../../db/database.ts'
import {
  listCancelledRuns,
  markDeliveryStarted,
  type DeliveredRun,
  type DeliveryRow,
} from '../../db/queries/deliveries.ts'
import { findRevision } from '../../db/queries/manifests.ts'
import { deferDelivery, leaveToRelay } from '../../db/queries/relay.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import { SEARCH_ATTRIBUTES, WORKFLOW_TYPES } from '../../schemas/names.ts'
import { compilePlan } from '../../schemas/plan.ts'
import type { RunInput } from '../../schemas/run.ts'
import { databaseError } from '../database-errors.ts'
import {
  isTemporalAway,
  isTemporalUnusable,
  withPatience,
  type Log,
  type TemporalAccess,
} from '../temporal.ts'
import { runDetails, runSummary } from './texts.ts'

export interface StartDeps {
  database: Database
  temporal: TemporalAccess
  logger: Log
}

/** What a start by this delivery needs to know of it. */
export type StartableDelivery = Pick<
  DeliveryRow,
  'id' | 'organization' | 'source' | 'requester' | 'runs' | 'cancelled_run_ids' | 'state'
>

export type StartAttempt =
  | { kind: 'started' }
  /** Temporal, or our database, could not be asked. Nothing is wrong with the delivery. */
  | { kind: 'away'; error: unknown }
  /** Temporal was asked and does not take it. */
  | { kind: 'refused'; error: unknown }

/** Never throws: a delivery is stored before it is started, and `pending` is a good answer. */
export async function startDelivery(
  deps: StartDeps,
  delivery: StartableDelivery,
): Promise<DeliveryRow['state']> {
  if (delivery.state === 'started') return 'started'
  const { database, logger, temporal } = deps
  // Known to be away: nobody is kept waiting for what would be the same answer.
  const attempt: StartAttempt = temporal.presence.isAway()
    ? { kind: 'away', error: null }
    : await attemptStart(deps, delivery)
  if (attempt.kind === 'started') return 'started'
  if (attempt.error !== null) {
    logger.warn(
      { err: attempt.error, deliveryId: delivery.id },
      'a delivery could not be started and stays pending',
    )
  }
  // If this fails as well, the relay finds it a few seconds later.
  await putOff(database, delivery.id, attempt).catch(() => undefined)
  return 'pending'
}

/** Never throws. */
export async function attemptStart(deps: StartDeps, delivery: StartableDelivery): Promise<StartAttempt> {
  const { temporal } = deps
  try {
    await startRuns(deps, delivery, delivery.cancelled_run_ids)
    return { kind: 'started' }
  } catch (error) {
    if (databaseError(error)?.code === 'UNAVAILABLE') return { kind: 'away', error }
    if (!isTemporalAway(error) && !isTemporalUnusable(error)) return { kind: 'refused', error }
    temporal.presence.note(false)
    return { kind: 'away', error }
  }
}

/**
 * A run that was cancelled is left out, and cancelled at Temporal in case a start of before has come through. So is one
 * that is cancelled while this start is under way: the delivery is not marked as started before that is done.
 */
async function startRuns(
  deps: StartDeps,
  delivery: StartableDelivery,
  leftOut: readonly string[],
): Promise<void> {
  const { database, temporal } = deps
  await withPatience(temporal, async () => {
    await Promise.all(
      delivery.runs.map((run) =>
        leftOut.includes(run.runId) ? cancelExecution(temporal, run) : startRun(deps, delivery, run),
      ),
    )
  })
  if (await markDeliveryStarted(database, { id: delivery.id, leftOut })) return
  const cancelled = await listCancelledRuns(database, delivery.id)
  if (cancelled.some((runId) => !leftOut.includes(runId))) await startRuns(deps, delivery, cancelled)
}

/** False if Temporal has no open execution of the run. */
export async function cancelExecution(
  { client }: TemporalAccess,
  { workflowId }: Pick<DeliveredRun, 'workflowId'>,
): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).cancel()
    return true
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false
    throw error
  }
}

/** Leaves it to the relay: at once, or, if it was refused, a little later each time. */
export async function putOff(
  database: Database,
  id: string,
  attempt: Exclude<StartAttempt, { kind: 'started' }>,
): Promise<void> {
  if (attempt.kind === 'away') return leaveToRelay(database, id)
  const { error } = attempt
  // The client's own message is general, and what the server said is in the cause.
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return deferDelivery(database, {
    id,
    error: `${error instanceof Error ? error.message : String(error)}${cause}`,
  })
}

async function startRun(deps: StartDeps, delivery: StartableDelivery, run: DeliveredRun): Promise<void> {
  const { database, temporal } = deps
  const spec = await loadSpec(database, delivery.organization, run)
  const searchAttributes = await temporal.hasSearchAttributes()
  const input: Omit<RunInput, 'plan'> = {
    organization: delivery.organization,
    runId: run.runId,
    deliveryId: delivery.id,
    input: run.input,
    searchAttributes,
  }
  const options: WorkflowStartOptions = {
    workflowId: run.workflowId,
    taskQueue: temporal.taskQueue,
    args: [input, compilePlan(run.automation, run.revision, spec)],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: runSummary(delivery, run),
    staticDetails: runDetails(delivery, run, spec),
    ...(searchAttributes ? { typedSearchAttributes: searchAttributesOf(delivery, run) } : {}),
  }
  try {
    await temporal.client.workflow.start(WORKFLOW_TYPES.automation, options)
  } catch (error) {
    // It ran and is closed: the delivery was started, and only the mark is missing.
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
  }
}

async function loadSpec(
  database: Database,
  organization: string,
  run: DeliveredRun,
): Promise<AutomationSpec> {
  const { automation, revision } = run
  const params = { organization, kind: 'Automation', name: automation, number: revision } as const
  const body = (await findRevision(database, params))?.body
  if (body?.kind !== 'Automation') {
    throw new CodedError('NOT_FOUND', `Automation ${automation} has no revision ${revision}.`)
  }
  return body.spec
}

function searchAttributesOf(delivery: StartableDelivery, run: DeliveredRun): SearchAttributePair[] {
  const pair = (name: string, value: string) => ({
    key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
    value,
  })
  return [
    pair(SEARCH_ATTRIBUTES.org, delivery.organization),
    pair(SEARCH_ATTRIBUTES.automation, run.automation),
    pair(SEARCH_ATTRIBUTES.trigger, delivery.source),
  ]
}
