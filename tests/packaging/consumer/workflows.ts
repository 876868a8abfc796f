/** The workflows file of somebody else's worker: his own beside ours. */
import { proxyActivities } from '@temporalio/workflow'

export * from 'countersign/workflows'

const { greet } = proxyActivities<{ greet(name: string): Promise<string> }>({ startToCloseTimeout: '10s' })

export async function greetingWorkflow(name: string): Promise<string> {
  return greet(name)
}
