/**
 * `worker-health.js`, the health check of a worker's container: ends with 0 if a worker of this machine has asked
 * Temporal for work lately. Not healthy therefore also means that Temporal is away: restarting the worker is no remedy.
 */
import { hostname } from 'node:os'
import { Connection } from '@temporalio/client'
import { configAtStart } from '../config.ts'
import { temporalClientConnection } from '../lib/temporal-connection.ts'

/** A worker that polls asks anew at least once a minute. */
const POLLED_WITHIN_MS = 2 * 60_000
const WORKFLOW_TASKS = 1

const config = configAtStart('health check')
const connection = await Connection.connect({ ...temporalClientConnection(config), connectTimeout: 5_000 })
try {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace: config.temporalNamespace,
    taskQueue: { name: config.taskQueue },
    taskQueueType: WORKFLOW_TASKS,
  })
  const isPolling = (pollers ?? []).some(
    ({ identity, lastAccessTime }) =>
      identity?.endsWith(`@${hostname()}`) &&
      Number(lastAccessTime?.seconds ?? 0) * 1_000 > Date.now() - POLLED_WITHIN_MS,
  )
  if (!isPolling) throw new Error(`no worker of ${hostname()} has asked for work on ${config.taskQueue}`)
} finally {
  await connection.close()
}
