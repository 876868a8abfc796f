/**
 * Asks on a worker what tools the server of a connection has: the API reaches no server itself, for secrets and
 * programs are the worker's. A short workflow, so that it is seen, bounded, and works wherever workers are.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { WorkflowFailedError } from '@temporalio/client'
import { ApplicationFailure } from '@temporalio/common'
import { detailIn } from '../lib/failure-text.ts'
import { CodedError, isErrorCode } from '../schemas/errors.ts'
import type { Inspection, InspectTools } from './deps.ts'
import { workersCheck } from './doctor/temporal.ts'
import { newId } from './ids.ts'
import { isTemporalAway, temporalError, withPatience, type TemporalAccess } from './temporal.ts'

const INSPECT_WORKFLOW = 'inspectConnectionWorkflow'
const TIMEOUT_MS = 40_000
/** A worker takes it within milliseconds. By then, if nobody does, it is worth a look whether there is one. */
const TAKEN_WITHIN_MS = 3_000

export function createInspectTools(temporal: TemporalAccess): InspectTools {
  return async (organization, connection) => {
    const workflowId = `inspect/${organization}/${connection}/${newId('req')}`
    const { client, taskQueue, presence } = temporal
    if (presence.isAway()) throw new CodedError('UNAVAILABLE', 'Temporal does not answer.')
    const handle = await withPatience(temporal, () =>
      client.workflow.start(INSPECT_WORKFLOW, {
        workflowId,
        taskQueue,
        args: [{ organization, connection }],
        workflowExecutionTimeout: TIMEOUT_MS,
      }),
    ).catch((error: unknown) => {
      throw temporalError(error) ?? error
    })
    const over = new AbortController()
    try {
      const result = withPatience(temporal, () => handle.result(), TIMEOUT_MS + 2_000)
      const found = (await Promise.race([
        result,
        unlessSomebodyWorks(temporal, connection, over.signal),
      ])) as Partial<Inspection>
      // Workers of the release before say nothing of warnings.
      return { tools: found.tools ?? [], warnings: found.warnings ?? [] }
    } catch (error) {
      throw inspectionError(temporal, connection, error)
    } finally {
      over.abort()
    }
  }
}

/** Fails if nobody polls: whoever waits would wait for half a minute to be told the same. Never fulfilled. */
async function unlessSomebodyWorks(
  temporal: TemporalAccess,
  connection: string,
  over: AbortSignal,
): Promise<never> {
  const isOver = await sleep(TAKEN_WITHIN_MS, false, { signal: over }).catch(() => true)
  // While Temporal does not answer, the result says so.
  const check = isOver ? undefined : await workersCheck(temporal).catch(() => undefined)
  if (check?.status !== 'fail') return new Promise(() => undefined)
  const detail = `The tools of connection ${connection} are listed by a worker. ${check.summary} ${check.action ?? ''}`
  throw new CodedError('CONNECTION_NOT_READY', detail)
}

function inspectionError(temporal: TemporalAccess, connection: string, error: unknown): unknown {
  if (error instanceof CodedError) return error
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure && isErrorCode(cause.type)) {
      const detail = detailIn(cause.type, cause.message)
      const named = detail.includes(connection) ? detail : `connection ${connection}: ${detail}`
      return new CodedError(cause.type, named, { cause: error })
    }
  }
  if (!(error instanceof WorkflowFailedError) && !isTemporalAway(error)) return error
  if (temporal.presence.isAway()) return temporalError(error) ?? error
  const detail = `The tools of connection ${connection} could not be listed within ${TIMEOUT_MS / 1_000} s; is a worker running?`
  return new CodedError('CONNECTION_NOT_READY', detail, { cause: error })
}
