/**
 * What a namespace needs for us: our search attributes (a start that names an unknown one is refused), and closed
 * workflows kept long enough to be looked at. Both are safe to repeat.
 */
import type { Connection } from '@temporalio/client'
import { msToTs } from '@temporalio/common/lib/time.js'
import { SEARCH_ATTRIBUTES } from '../../schemas/names.ts'
import { until } from './waiting.ts'

const RETENTION_MS = 30 * 24 * 3_600_000
/** `temporal.api.enums.v1.IndexedValueType` */
const KEYWORD = 2
const GRPC_NOT_FOUND = 5
const GRPC_ALREADY_EXISTS = 6
/** A namespace that was just made is not known to every part of the server at once. */
const VISIBLE_TIMEOUT_MS = 15_000

/** The dev server keeps closed workflows for one day only. */
export async function keepClosedWorkflows(connection: Connection, namespace: string): Promise<void> {
  const config = { workflowExecutionRetentionTtl: msToTs(RETENTION_MS) }
  await onceVisible(namespace, () => connection.workflowService.updateNamespace({ namespace, config }))
}

/** Adds those that are missing and waits until the server lists all of them. */
export async function registerSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const names = Object.values(SEARCH_ATTRIBUTES)
  const missing = async () => {
    const listed = await onceVisible(namespace, () =>
      connection.operatorService.listSearchAttributes({ namespace }),
    )
    return names.filter((name) => listed.customAttributes?.[name] === undefined)
  }
  const toAdd = await missing()
  if (toAdd.length === 0) return
  const searchAttributes = Object.fromEntries(toAdd.map((name) => [name, KEYWORD]))
  try {
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes })
  } catch (error) {
    // Another process has added some of them meanwhile; the list below tells whether all are there.
    if (!hasGrpcCode(error, GRPC_ALREADY_EXISTS)) throw error
  }
  const complete = await until(async () => ((await missing()).length === 0 ? true : undefined), {
    timeoutMs: VISIBLE_TIMEOUT_MS,
    intervalMs: 100,
  })
  if (!complete) throw new Error(`The search attributes have not appeared in namespace ${namespace}.`)
}

async function onceVisible<Answer>(namespace: string, request: () => Promise<Answer>): Promise<Answer> {
  const outcome = await until(
    async () => {
      try {
        return { answer: await request() }
      } catch (error) {
        if (hasGrpcCode(error, GRPC_NOT_FOUND)) return undefined
        throw error
      }
    },
    { timeoutMs: VISIBLE_TIMEOUT_MS, intervalMs: 100 },
  )
  if (outcome === undefined) throw new Error(`Temporal does not know namespace ${namespace}.`)
  return outcome.answer
}

function hasGrpcCode(error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
