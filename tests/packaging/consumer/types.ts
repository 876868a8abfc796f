/** What the types refuse: an expectation without an error is one itself, so none of it is `any`. */
import { createClient } from 'countersign/client'
import { createTriggerSender } from 'countersign/triggers'
import { countersign, loadConfig, pluginDeps, type PluginDeps } from 'countersign/plugin'
import { writebackWorkflow } from 'countersign/workflows'

const client = createClient({ baseUrl: 'http://127.0.0.1:8700', apiKey: 'key' })
const deps: PluginDeps = pluginDeps(loadConfig({ databaseUrl: 'postgres://somewhere' }))

export async function refused(): Promise<void> {
  // @ts-expect-error A key is text.
  createClient({ baseUrl: 'http://127.0.0.1:8700', apiKey: 1 })
  // @ts-expect-error An event has an identity.
  await createTriggerSender({ callbackUrl: 'http://127.0.0.1:8700', callbackToken: 't' }).send({ type: 'x' })
  // @ts-expect-error There is no such operation.
  await client.startNothing({ name: 'echo' })
  // @ts-expect-error A run has a name.
  await client.startRun({ input: 1 })
  const run = await client.getRun({ run_id: 'run_0' })
  // @ts-expect-error There is no such state.
  if (run.state === 'nowhere') return
  // @ts-expect-error Ports are numbers.
  loadConfig({ port: '8700' })
  // @ts-expect-error A pool asks with text.
  await deps.database.query(1)
  // @ts-expect-error It needs more than that.
  countersign({ database: deps.database })
  // @ts-expect-error A writeback is about something.
  await writebackWorkflow(1)
}
