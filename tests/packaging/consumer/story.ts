/** A program that uses the API through the client: `story.js URL KEY TEMPORAL_ADDRESS TASK_QUEUE`. Prints JSON. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, Connection } from '@temporalio/client'
import { ApiError, createClient, type Client as Countersign } from 'countersign/client'

const [baseUrl = '', apiKey = '', address = '', taskQueue = ''] = process.argv.slice(2)
const countersign: Countersign = createClient({ baseUrl, apiKey })

await countersign.applyManifests({
  manifests: [
    { kind: 'Automation', name: 'echo', spec: { steps: [{ name: 'answer', return: '${{ input.word }}' }] } },
  ],
})
const { run_id } = await countersign.startRun({ name: 'echo', input: { word: 'hello' } })
let run = await countersign.getRun({ run_id })
while (run.state === 'pending' || run.state === 'running') {
  await sleep(100)
  run = await countersign.getRun({ run_id })
}

const refused = await countersign.startRun({ name: 'nothing' }).catch((error: unknown) => error)
const connection = await Connection.connect({ address })
const temporal = new Client({ connection })
const greeting = await temporal.workflow.execute('greetingWorkflow', {
  taskQueue,
  workflowId: `greeting-${run_id}`,
  args: ['Greta'],
})
await connection.close()
const code = refused instanceof ApiError ? refused.code : String(refused)
console.log(JSON.stringify({ state: run.state, result: run.result, greeting, code }))
