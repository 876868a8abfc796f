/**
 * Records a person's word on a write of unknown outcome whose own workflow is closed: its run was cancelled, or somebody
 * terminated it. If that workflow is only about to wait, it is told too.
 */
import { getExternalWorkflowHandle, log } from '@temporalio/workflow'
import { writebackWorkflowId } from '../schemas/names.ts'
import type { ResolutionAnswer, ResolutionInput } from '../schemas/run.ts'
import { nearby } from './activity-options.ts'
import { assertInput } from './failures.ts'
import { resolveSignal } from './messages.ts'

export async function resolutionWorkflow(input: ResolutionInput): Promise<ResolutionAnswer> {
  assertInput(typeof input?.writebackId === 'string', 'a resolution')
  const answer = await nearby().recordResolution(input)
  if (!answer.accepted) return answer
  await getExternalWorkflowHandle(writebackWorkflowId(input))
    .signal(resolveSignal, { ticket: input.ticket })
    .catch(() => log.info('nothing waits for this resolution', { writeback: input.writebackId }))
  return answer
}
