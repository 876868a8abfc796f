/** What a run's end says of its receipts, for whoever looks at the run. */
import { readRunEnd } from '../lib/receipts-head.ts'
import type { ReceiptsHead } from '../schemas/run.ts'
import { goneValue } from './gone-values.ts'
import type { TemporalAccess } from './temporal.ts'

/** Null where the run's end says nothing of receipts, or the value in which it does is gone. */
export async function receiptsHeadOf(
  { client }: TemporalAccess,
  execution: { workflowId: string; runId: string },
): Promise<ReceiptsHead | null> {
  try {
    return (await readRunEnd(client, execution)).head
  } catch (error) {
    goneValue(error)
    return null
  }
}
