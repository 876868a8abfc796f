/**
 * The data converter of every Client and Worker of Countersign. Workflows and activities see whole values and know
 * nothing of it. To whom a value belongs follows from the id of the workflow that it is sent to or comes from; a history
 * that names a value of another organization is not served.
 */
import { fileURLToPath } from 'node:url'
import type { DataConverter, PayloadCodec, SerializationContext } from '@temporalio/common'
import { organizationOfWorkflow } from '../schemas/names.ts'
import { createPayloads, type Payloads, type PayloadsOptions } from './payloads.ts'

/** Makes texts of failures well-formed; also for bundles of workflows. */
export const plainFailuresPath = fileURLToPath(new URL('./plain-failures.cjs', import.meta.url))
/** The same, and puts messages and stack traces of failures where the codec reaches them; also for bundles of workflows. */
export const encryptedFailuresPath = fileURLToPath(new URL('./encrypted-failures.cjs', import.meta.url))

export function createDataConverter(options: PayloadsOptions): DataConverter {
  return dataConverterOf(createPayloads(options), options)
}

/** With encryption, texts of failures are values like any other; without, they stay where every tool shows them. */
export function dataConverterOf(
  payloads: Payloads,
  { encryption }: Pick<PayloadsOptions, 'encryption'>,
): DataConverter {
  const payloadCodecs = [createCodec(payloads)]
  return { payloadCodecs, failureConverterPath: encryption ? encryptedFailuresPath : plainFailuresPath }
}

function createCodec(payloads: Payloads): PayloadCodec {
  return {
    async encode(list, context) {
      const organization = organizationOf(context)
      return Promise.all(list.map((payload) => payloads.encode(payload, organization)))
    },
    async decode(list, context) {
      const organization = organizationOf(context)
      const maySee = (owner: string) => context === undefined || owner === '' || owner === organization
      return Promise.all(list.map((payload) => payloads.decode(payload, maySee)))
    },
  }
}

function organizationOf(context: SerializationContext | undefined): string {
  return context?.workflowId === undefined ? '' : organizationOfWorkflow(context.workflowId)
}
