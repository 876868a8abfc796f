/** What a question takes to be answered: one person of those it names. */
import { durationMs } from '../schemas/common.ts'
import type { Requirement } from '../schemas/run.ts'
import type { AskStepManifest } from '../schemas/steps.ts'

export function askRequirement(
  ask: AskStepManifest['ask'],
  { automation, path }: { automation: string; path: string },
): Requirement {
  const { roles, people } = ask.of
  return {
    policy: automation,
    rule: path,
    stages: [{ roles, people, quorum: 1 }],
    anyRejectEnds: false,
    selfApproval: ask.self_answer,
    identity: 'verified',
    expiresAfterMs: durationMs(ask.expires_after),
    validForMs: 0,
  }
}
