/**
 * What a run's end in Temporal says about its receipts. It travels as metadata of the result's payload, or as a detail of
 * the failure, so that it is read from the event that closed the run, and not from anything of ours.
 */
import type { Client } from '@temporalio/client'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { z } from 'zod'
import { SHA256_HEX } from '../schemas/common.ts'
import { RECEIPTS_METADATA_KEY } from '../schemas/names.ts'
import type { ReceiptsHead } from '../schemas/run.ts'

/** HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT of Temporal's API. */
const CLOSE_EVENT = 2

const HeadSchema = z.object({ count: z.int().min(1), sha256: z.string().regex(SHA256_HEX) })
const DetailSchema = z.object({ receipts: HeadSchema })

/** No head: the run knows of no receipts, or was ended from outside and has told nothing. */
interface RunEnd {
  head: ReceiptsHead | null
}

/** Of the execution named, or of the latest one. */
export async function readRunEnd(
  client: Client,
  execution: { workflowId: string; runId?: string },
): Promise<RunEnd> {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: client.options.namespace,
    execution,
    historyEventFilterType: CLOSE_EVENT,
  })
  const closing = history?.events?.at(-1)
  const completed = closing?.workflowExecutionCompletedEventAttributes
  if (completed) {
    const payloads = await decodePayloads(client, completed.result?.payloads ?? [])
    return { head: headInMetadata(payloads) }
  }
  const failed = closing?.workflowExecutionFailedEventAttributes
  if (!failed) return { head: null }
  const details = failed.failure?.applicationFailureInfo?.details?.payloads ?? []
  return { head: headInDetails(await decodePayloads(client, details)) }
}

export async function decodePayloads(client: Client, payloads: Payload[]): Promise<Payload[]> {
  let decoded = payloads
  for (const codec of client.options.loadedDataConverter.payloadCodecs.toReversed())
    decoded = await codec.decode(decoded)
  return decoded
}

function headInMetadata([payload]: Payload[]): ReceiptsHead | null {
  const bytes = payload?.metadata?.[RECEIPTS_METADATA_KEY]
  const head = HeadSchema.safeParse(bytes && parseJson(Buffer.from(bytes).toString('utf8')))
  return head.success ? head.data : null
}

function headInDetails([payload]: Payload[]): ReceiptsHead | null {
  const detail = DetailSchema.safeParse(payload && defaultPayloadConverter.fromPayload(payload))
  return detail.success ? detail.data.receipts : null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
