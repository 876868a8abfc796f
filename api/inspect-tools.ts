/**
 * Asks on a worker what tools the server of a connection has: the API reaches no server itself, for secrets and
 * programs are the worker's. A short workflow, so that it is seen, bounded, and works wherever workers are.
 */
import { WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { detailIn } from '../lib/failure-text.ts'
import { CodedError, isErrorCode } from '../schemas/errors.ts'
import type { Inspection, InspectTools } from './deps.ts'
import { newId } from './ids.ts'
import { isTemporalAway, withPatience, type TemporalAccess } from './temporal.ts'

const INSPECT_WORKFLOW = 'inspectConnectionWorkflow'
const TIMEOUT_MS = 30_000

export function createInspectTools(temporal: TemporalAccess): InspectTools {
  return async (organization, connection) => {
    const workflowId = `inspect/${organization}/${connection}/${newId('req')}`
    const start = () =>
      temporal.client.workflow.execute(INSPECT_WORKFLOW, {
        workflowId,
        taskQueue: temporal.taskQueue,
        args: [{ organization, connection }],
        workflowExecutionTimeout: TIMEOUT_MS,
      })
    try {
      const found = (await withPatience(temporal, start, TIMEOUT_MS + 2_000)) as Partial<Inspection>
      // Workers of the release before say nothing of warnings.
      return { tools: found.tools ?? [], warnings: found.warnings ?? [] }
    } catch (error) {
      throw inspectionError(connection, error)
    }
  }
}

function inspectionError(connection: string, error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && isErrorCode(cause.type)) {
      return new CodedError(cause.type, detailIn(cause.type, cause.message), { cause: error })
    }
  }
  if (!(error instanceof WorkflowFailedError) && !isTemporalAway(error)) return error
  const detail = `The tools of connection ${connection} could not be listed within 30 s; is a worker running?`
  return new CodedError('CONNECTION_NOT_READY', detail, { cause: error })
}
