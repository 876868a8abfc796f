/**
 * What a run's result in Temporal says about its receipts. It travels as metadata of the result's payload, or as a
 * detail of the failure, so that it is read from the event that closed the run, and not from anything of ours.
 */
import { defaultPayloadConverter, type Payload, type PayloadCodec } from '@temporalio/common'
import { z } from 'zod'
import { SHA256_HEX } from '../schemas/common.ts'
import { RECEIPTS_METADATA_KEY } from '../schemas/names.ts'
import type { ReceiptsHead } from '../schemas/run.ts'
import { goneValue } from './gone-values.ts'
import type { TemporalAccess } from './temporal.ts'

/** HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT of Temporal's API. */
const CLOSE_EVENT = 2

const HeadSchema = z.object({ count: z.int().min(1), sha256: z.string().regex(SHA256_HEX) })
const DetailSchema = z.object({ receipts: HeadSchema })

/** Null where the run's end says nothing of receipts, or the value in which it does is gone. */
export async function receiptsHeadOf(
  temporal: TemporalAccess,
  execution: { workflowId: string; runId: string },
): Promise<ReceiptsHead | null> {
  try {
    return await readHead(temporal, execution)
  } catch (error) {
    goneValue(error)
    return null
  }
}

async function readHead(
  temporal: TemporalAccess,
  execution: { workflowId: string; runId: string },
): Promise<ReceiptsHead | null> {
  const { history } = await temporal.connection.workflowService.getWorkflowExecutionHistory({
    namespace: temporal.namespace,
    execution,
    historyEventFilterType: CLOSE_EVENT,
  })
  const closing = history?.events?.at(-1)
  const codecs = temporal.client.options.loadedDataConverter.payloadCodecs
  const result = closing?.workflowExecutionCompletedEventAttributes?.result?.payloads
  if (result) return headInMetadata(await decoded(codecs, result))
  const failure = closing?.workflowExecutionFailedEventAttributes?.failure
  return headInDetails(await decoded(codecs, failure?.applicationFailureInfo?.details?.payloads ?? []))
}

async function decoded(codecs: readonly PayloadCodec[], payloads: Payload[]): Promise<Payload[]> {
  let decodedPayloads = payloads
  for (const codec of codecs.toReversed()) decodedPayloads = await codec.decode(decodedPayloads)
  return decodedPayloads
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
