/** Whether what a person says is what an approval takes: a verdict, or an answer that fits the form of its question. */
import type { ApprovalRow } from '../db/queries/approvals.ts'
import { misfit, tooLong } from '../lib/answer-form.ts'
import type { JsonValue } from '../lib/json.ts'
import { CodedError } from '../schemas/errors.ts'

/** Throws INVALID_ANSWER, INVALID_INPUT. */
export function assertFitsKind({ approval_id: approvalId, question }: ApprovalRow, answer?: JsonValue): void {
  if (question && answer === undefined)
    throw new CodedError('INVALID_ANSWER', `${approvalId} is a question: it takes an answer, and no verdict.`)
  if (!question && answer !== undefined)
    throw new CodedError('INVALID_INPUT', `${approvalId} is no question: approve or reject it.`)
  // A ticket with it could be longer than any that is looked at.
  const problem = answer === undefined ? null : tooLong(answer)
  if (problem !== null) throw new CodedError('INVALID_ANSWER', problem)
}

/**
 * Throws INVALID_ANSWER. It is looked at again behind the door, which may take longer than anybody waits: then the answer
 * is left as a signal, and nobody would hear of what does not fit.
 */
export async function assertFitsForm(
  { organization, question }: ApprovalRow,
  answer?: JsonValue,
): Promise<void> {
  if (!question || answer === undefined) return
  const problem = await misfit(question.form, answer, organization).catch((error: unknown) => {
    // Nothing is wrong with the answer: no thread was to be had.
    if (error instanceof CodedError) return null
    throw error
  })
  if (problem !== null) throw new CodedError('INVALID_ANSWER', problem)
}
