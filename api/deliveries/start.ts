/**
 * Starts what a delivery has frozen. Safe to repeat: the workflow id follows from the delivery, so a second start finds
 * the first. If Temporal is away the delivery stays `pending`, and whoever comes later starts it: a resend, or a relay.
 */
import { defineSearchAttributeKey, SearchAttributeType, type SearchAttributePair } from '@temporalio/common'
import { WorkflowExecutionAlreadyStartedError, type WorkflowStartOptions } from '@temporalio/client'
import type { Database } from '../../db/database.ts'
import { markDeliveryStarted, type DeliveredRun, type DeliveryRow } from '../../db/queries/deliveries.ts'
import { findRevision } from '../../db/queries/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { AutomationSpec } from '../../schemas/manifests.ts'
import { SEARCH_ATTRIBUTES, WORKFLOW_TYPES } from '../../schemas/names.ts'
import { compilePlan } from '../../schemas/plan.ts'
import type { RunInput } from '../../schemas/run.ts'
import { withPatience, type Log, type TemporalAccess } from '../temporal.ts'
import { runDetails, runSummary } from './texts.ts'

export interface StartDeps {
  database: Database
  temporal: TemporalAccess
  logger: Log
}

/** What a start by this delivery needs to know of it. */
export type StartableDelivery = Pick<
  DeliveryRow,
  'id' | 'organization' | 'source' | 'requester' | 'runs' | 'state'
>

/** Never throws: a delivery is stored before it is started, and `pending` is a good answer. */
export async function startDelivery(
  deps: StartDeps,
  delivery: StartableDelivery,
): Promise<DeliveryRow['state']> {
  if (delivery.state === 'started') return 'started'
  try {
    await withPatience(deps.temporal, async () => {
      await Promise.all(delivery.runs.map((run) => startRun(deps, delivery, run)))
    })
    await markDeliveryStarted(deps.database, delivery.id)
    return 'started'
  } catch (error) {
    deps.logger.warn(
      { err: error, deliveryId: delivery.id },
      'a delivery could not be started and stays pending',
    )
    return 'pending'
  }
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
