/** Somebody else's worker, with the plugin. Runs until SIGTERM. */
import { fileURLToPath } from 'node:url'
import { NativeConnection, Worker } from '@temporalio/worker'
import { countersign, loadConfig, pluginDeps, temporalConnection } from 'countersign/plugin'

const config = loadConfig()
const deps = pluginDeps(config)
const connection = await NativeConnection.connect(temporalConnection(config))
const worker = await Worker.create({
  connection,
  namespace: config.temporalNamespace,
  taskQueue: config.taskQueue,
  workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
  activities: { greet: async (name: string) => `Hello, ${name}` },
  plugins: [countersign(deps)],
})
await worker.run()
await Promise.all([connection.close(), deps.database.end()])
