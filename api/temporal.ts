/**
 * The API's way to Temporal. Every call has a deadline: without one the client would go on trying for minutes while
 * somebody waits for an answer.
 */
import { NamespaceNotFoundError } from '@temporalio/common'
import {
  isGrpcServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
  type Connection,
} from '@temporalio/client'
import { shellWord } from '../lib/shell-text.ts'
import { CodedError } from '../schemas/errors.ts'
import { SEARCH_ATTRIBUTES } from '../schemas/names.ts'
import type { Envelope } from '../schemas/run.ts'
import { createPresence, type Presence } from './presence.ts'

export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface TemporalAccess {
  client: Client
  connection: Connection
  namespace: string
  taskQueue: string
  /** Host and port, as this API reaches it; undefined if nobody has said it. */
  address?: string | undefined
  /** Base address of the Temporal UI, if it is known. */
  uiUrl: string | undefined
  presence: Presence
  /** Whether the namespace has all our search attributes. Throws while Temporal is away. */
  hasSearchAttributes: () => Promise<boolean>
}

const CALL_PATIENCE_MS = 3_000

/** gRPC status codes: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE. */
const AWAY_CODES = new Set([4, 8, 14])
const CANCELLED_CODE = 1
const FAILED_PRECONDITION_CODE = 9

export function createTemporalAccess(
  deps: Pick<TemporalAccess, 'client' | 'connection' | 'namespace' | 'taskQueue' | 'address' | 'uiUrl'> & {
    logger: Log
  },
): TemporalAccess {
  const { logger, ...access } = deps
  let known: boolean | undefined
  const hasSearchAttributes = async () => {
    known ??= await lookForSearchAttributes(access, logger)
    return known
  }
  return { ...access, presence: createPresence(), hasSearchAttributes }
}

/** Runs calls to Temporal that have to be through after `patienceMs`. */
export function withPatience<T>(
  temporal: TemporalAccess,
  work: () => Promise<T>,
  patienceMs = CALL_PATIENCE_MS,
): Promise<T> {
  return temporal.connection.withDeadline(Date.now() + patienceMs, work)
}

/**
 * For people: the workflow's page in the Temporal UI; null where nobody has said where that is. With the id of the
 * execution it is the page with the words, which the UI has no address for without one.
 */
export function workflowUrl(
  temporal: Pick<TemporalAccess, 'uiUrl' | 'namespace'>,
  workflowId: string,
  temporalRunId: string | null = null,
): string | null {
  if (!temporal.uiUrl) return null
  const base = temporal.uiUrl.replace(/\/+$/, '')
  const page = `${base}/namespaces/${encodeURIComponent(temporal.namespace)}/workflows/${encodeURIComponent(workflowId)}`
  return temporalRunId === null ? page : `${page}/${encodeURIComponent(temporalRunId)}/user-metadata`
}

/** Of the execution of now. Null if Temporal does not say: then there is a link less good, and nothing else. */
export async function temporalRunIdOf(temporal: TemporalAccess, workflowId: string): Promise<string | null> {
  if (!temporal.uiUrl || temporal.presence.isAway()) return null
  try {
    const handle = temporal.client.workflow.getHandle(workflowId)
    return (await withPatience(temporal, () => handle.describe())).runId
  } catch (error) {
    if (error instanceof WorkflowNotFoundError || isTemporalAway(error)) return null
    throw error
  }
}

/** For people who have the Temporal CLI and a ticket. */
export function signalCommand(
  temporal: TemporalAccess,
  { workflowId, signal, input }: { workflowId: string; signal: string; input: { ticket: Envelope } },
): string {
  return [
    'temporal workflow signal',
    ...(temporal.address === undefined ? [] : [`--address ${shellWord(temporal.address)}`]),
    `--namespace ${shellWord(temporal.namespace)}`,
    `--workflow-id ${shellWord(workflowId)}`,
    `--name ${signal}`,
    `--input ${shellWord(JSON.stringify(input))}`,
  ].join(' ')
}

/** Errors of Temporal as ours; undefined for anything else. The only place that knows their classes. */
export function temporalError(error: unknown): CodedError | undefined {
  if (error instanceof WorkflowNotFoundError) {
    return new CodedError('NOT_FOUND', 'Temporal has no such workflow execution, or it is closed.', {
      cause: error,
    })
  }
  if (isTemporalAway(error)) {
    return new CodedError('UNAVAILABLE', 'Temporal does not answer.', { cause: error })
  }
  return undefined
}

/** NOT_FOUND, PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED. */
const UNUSABLE_CODES = new Set([5, 7, 12, 16])

/** It answers, but not to us: what is wrong is the deployment, and nothing that was asked. */
export function isTemporalUnusable(error: unknown): boolean {
  if (error instanceof NamespaceNotFoundError) return true
  return [...causes(error)].some((cause) => isGrpcServiceError(cause) && UNUSABLE_CODES.has(cause.code))
}

/** No answer, a refused connection, or too much to do. */
export function isTemporalAway(error: unknown): boolean {
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return true
  for (const cause of causes(error)) {
    if (isGrpcServiceError(cause)) return AWAY_CODES.has(cause.code) || cause.code === CANCELLED_CODE
  }
  return false
}

/** Temporal forgets an update if something else, such as a cancel, arrives while its workflow task is completed. */
export function isUpdateDropped(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (isGrpcServiceError(current)) return current.code === FAILED_PRECONDITION_CODE
  }
  return false
}

function* causes(error: unknown): Generator<Error> {
  for (let current = error; current instanceof Error; current = current.cause) yield current
}

async function lookForSearchAttributes(
  { connection, namespace }: Pick<TemporalAccess, 'connection' | 'namespace'>,
  logger: Log,
): Promise<boolean> {
  const wanted = Object.values(SEARCH_ATTRIBUTES)
  try {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace })
    const missing = wanted.filter((name) => !Object.hasOwn(customAttributes ?? {}, name))
    if (missing.length === 0) return true
    logger.warn({ namespace, missing }, 'the namespace lacks our search attributes; runs start without them')
    return false
  } catch (error) {
    if (isTemporalAway(error)) throw error
    logger.warn({ namespace, err: error }, 'search attributes cannot be looked up; runs start without them')
    return false
  }
}
