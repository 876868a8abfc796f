/** What an answer binds: exactly this question, as it was shown, and who may answer it. */
import type { Question, Requester, Requirement } from '../schemas/run.ts'
import { digestOf } from './canonical-json.ts'

export function askDigest(asked: {
  organization: string
  askId: string
  runId: string
  question: Question
  requirement: Requirement
  requester: Requester
}): string {
  const { organization, askId, runId, question, requirement, requester } = asked
  return digestOf({ purpose: 'ask', organization, askId, runId, question, requirement, requester })
}
