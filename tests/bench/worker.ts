/**
 * A worker in a process of its own, so that its CPU can be told from everything else's: our workflows or the one written
 * by hand, with the same activity, which does nothing. Says its CPU time when asked.
 */
import { fileURLToPath } from 'node:url'
import { createDataConverter } from '../../codec/data-converter.ts'
import { createDatabase } from '../../db/database.ts'
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker'
import { bundleWorkflows } from '../../workers/bundle.ts'

const [kind = '', taskQueue = '', address = '', databaseUrl = ''] = process.argv.slice(2)

const perform = async (): Promise<unknown> => ({
  kind: 'done',
  outcome: { kind: 'read', output: { level: 3 } },
})

async function options(): Promise<Partial<WorkerOptions>> {
  if (kind === 'hand') return { workflowsPath: fileURLToPath(new URL('hand-written.ts', import.meta.url)) }
  const database = createDatabase(databaseUrl)
  return { workflowBundle: await bundleWorkflows(), dataConverter: createDataConverter({ database }) }
}

const connection = await NativeConnection.connect({ address })
const worker = await Worker.create({
  connection,
  taskQueue,
  activities: { perform },
  maxCachedWorkflows: 500,
  ...(await options()),
})
const running = worker.run()
process.on('message', (message) => {
  if (message === 'stop') worker.shutdown()
  else process.send?.({ cpu: process.cpuUsage() })
})
process.send?.('ready')
await running
await connection.close()
process.exit(0)
