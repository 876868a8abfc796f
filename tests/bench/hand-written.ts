/** What somebody would write without us: one activity, with the time-outs that a careful author gives it. */
import { proxyActivities } from '@temporalio/workflow'

interface Reading {
  perform: (call: { about: string }) => Promise<{ outcome: { output: unknown } }>
}

const { perform } = proxyActivities<Reading>({ startToCloseTimeout: '1h', heartbeatTimeout: '5s' })

export async function handWritten(input: { about: string }): Promise<unknown> {
  const { outcome } = await perform({ about: input.about })
  return outcome.output
}
