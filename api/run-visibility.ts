/**
 * States of many runs at once, from Temporal's visibility store. It lags a little behind what a run itself says, and
 * knows nothing of waiting: what a run waits for is in the ledger and the inbox.
 */
import { optionalTsToMs } from '@temporalio/common/lib/time.js'
import { isGrpcServiceError } from '@temporalio/client'
import type { RunRow } from '../db/queries/delivery-lists.ts'
import type { RunView } from '../schemas/operations/runs.ts'
import { idPart, WORKFLOW_TYPES } from '../schemas/names.ts'
import { badCursor } from './pages.ts'
import { stateOfStatus } from './run-state.ts'
import { isTemporalAway, withPatience, type TemporalAccess } from './temporal.ts'

type State = RunView['state']

const INVALID_ARGUMENT_CODE = 3
/** A run that was started this recently need not be in the store yet. */
const LAG_MS = 60_000

/** Words of Temporal's query language. */
const STATUS_WORDS = {
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Canceled',
  terminated: 'Terminated',
  timed_out: 'TimedOut',
} as const

export type TemporalState = keyof typeof STATUS_WORDS

export function isTemporalState(state: string | undefined): state is TemporalState {
  return state !== undefined && Object.hasOwn(STATUS_WORDS, state)
}

export interface VisibilityFilter {
  organization: string
  automation?: string | undefined
  state: TemporalState
  since?: string | undefined
  until?: string | undefined
  limit: number
  /** Where the page before ended, as Temporal gave it, in base64. */
  token?: string | undefined
}

/** One page of the executions in a state, latest first. Throws while Temporal is away. */
export async function listExecutions(
  temporal: TemporalAccess,
  filter: VisibilityFilter,
): Promise<{ workflowIds: string[]; token: string | null }> {
  const { limit, token } = filter
  try {
    const page = await withPatience(temporal, () =>
      temporal.connection.workflowService.listWorkflowExecutions({
        namespace: temporal.namespace,
        query: queryOf(temporal.taskQueue, filter),
        pageSize: limit,
        ...(token === undefined ? {} : { nextPageToken: Buffer.from(token, 'base64') }),
      }),
    )
    const workflowIds = page.executions?.map(({ execution }) => execution?.workflowId ?? '') ?? []
    const next = page.nextPageToken
    return { workflowIds, token: next?.length ? Buffer.from(next).toString('base64') : null }
  } catch (error) {
    if (token !== undefined && isGrpcServiceError(error) && error.code === INVALID_ARGUMENT_CODE) {
      throw badCursor('Temporal does not know it')
    }
    throw error
  }
}

/** Names hold no quotes: they are lower-case letters, digits, dashes and underscores. Others may share the namespace. */
function queryOf(
  taskQueue: string,
  { organization, automation, state, since, until }: VisibilityFilter,
): string {
  const prefix = ['run', idPart(organization), ...(automation === undefined ? [] : [idPart(automation)]), '']
  return [
    `WorkflowType = '${WORKFLOW_TYPES.automation}'`,
    `TaskQueue = '${taskQueue.replaceAll("'", '')}'`,
    `WorkflowId STARTS_WITH '${prefix.join('/')}'`,
    `ExecutionStatus = '${STATUS_WORDS[state]}'`,
    ...(since === undefined ? [] : [`StartTime >= '${since}'`]),
    ...(until === undefined ? [] : [`StartTime < '${until}'`]),
  ].join(' AND ')
}

/** By run id. Null for each that only Temporal could tell, while it is away. */
export async function statesOf(
  temporal: TemporalAccess,
  rows: readonly RunRow[],
): Promise<Map<string, State | null>> {
  const started = rows.filter(({ state }) => state === 'started')
  const known = started.length === 0 ? new Map<string, State>() : await lookUp(temporal, started)
  return new Map(rows.map((row) => [row.run_id, stateOf(row, known)]))
}

function stateOf(row: RunRow, known: ReadonlyMap<string, State> | null): State | null {
  if (known === null && row.state === 'started') return null
  const state = known?.get(row.workflow_id)
  if (state === undefined && row.is_cancelled) return 'cancelled'
  if (state === undefined && row.state === 'pending') return 'pending'
  if (state === undefined && Date.now() - Date.parse(row.received_at) > LAG_MS) return 'no_longer_kept'
  if (state !== undefined && state !== 'running') return state
  return row.waits_for === null ? 'running' : `waiting_for_${row.waits_for}`
}

/** By workflow id; null while Temporal is away. */
async function lookUp(temporal: TemporalAccess, rows: readonly RunRow[]): Promise<Map<string, State> | null> {
  if (temporal.presence.isAway()) return null
  const ids = rows.map((row) => `'${row.workflow_id}'`)
  try {
    const { executions } = await withPatience(temporal, () =>
      temporal.connection.workflowService.listWorkflowExecutions({
        namespace: temporal.namespace,
        query: `WorkflowId IN (${ids.join(', ')})`,
        // A reset leaves several executions with one id.
        pageSize: 1_000,
      }),
    )
    const oldestFirst = (executions ?? []).toSorted(
      (a, b) => (optionalTsToMs(a.startTime) ?? 0) - (optionalTsToMs(b.startTime) ?? 0),
    )
    return new Map(
      oldestFirst.map(({ execution, status }) => [execution?.workflowId ?? '', stateOfStatus(status)]),
    )
  } catch (error) {
    if (isTemporalAway(error)) return null
    throw error
  }
}
