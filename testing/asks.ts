/**
 * Questions to people: put as the manifest says, answered as the test says. Whether an answer counts is judged by the
 * code that judges real ones, and it has to fit the form that people would be shown.
 */
import { misfit } from '../lib/answer-form.ts'
import { askRequirement } from '../lib/ask-requirement.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import type { AskFixture, DecisionFixture } from '../schemas/automation-tests.ts'
import { findStep } from '../schemas/step-tree.ts'
import type { AskStepManifest } from '../schemas/steps.ts'
import type { ReadyStep } from '../workflows/interpreter/turn.ts'
import { playApproval, type Approval } from './approvals.ts'
import type { Performed } from './simulate.ts'
import { failed, TestGap, type Standing, type World } from './world.ts'

export async function askPeople(
  world: World,
  { automation, prefix }: Standing,
  step: Extract<ReadyStep, { type: 'ask' }>,
  nowMs: number,
): Promise<Performed> {
  const path = prefix + step.path
  const ask = askOf(world, automation, step.path)
  const { title, markdown } = step
  const requirement = askRequirement(ask, { automation, path: step.path })
  const [of = { roles: [], people: [] }] = requirement.stages
  const asked = { writebackId: `ask_${path}`, requirement, requester: world.requester }
  const { roles, people } = of
  const judge = (said: readonly AskFixture[]) => playApproval(asked, said.map(decisionOf), nowMs)
  const { approval, last } = firstThatCounts(world.fixtures.answersToAsk(path), judge)
  const refused = approval.refused.map(({ code }) => code)
  world.asked.push({ path, title, markdown, of: { roles, people }, refused })
  for (const { message } of approval.refused) world.notes.add(`${path}: an answer did not count: ${message}`)
  const { status, atMs } = approval
  if (status === 'expired') return failed({ code: 'EXPIRED', message: 'nobody has answered in time' }, atMs)
  if (status !== 'approved') return { atMs: nowMs, settled: null }
  const answer = last?.answer as JsonValue
  const problem = await misfit(ask.form as JsonObject, answer, null)
  if (problem !== null) throw new TestGap(`${path}: ${problem}`)
  return { atMs, settled: { status: 'completed', output: answer } }
}

/** Asks for one answer after the other, until one ends it. */
function firstThatCounts(
  answers: Iterable<AskFixture>,
  judge: (said: readonly AskFixture[]) => Approval,
): { approval: Approval; last?: AskFixture } {
  const said: AskFixture[] = []
  for (const last of answers) {
    said.push(last)
    const approval = judge(said)
    if (approval.status !== 'waiting') return { approval, last }
  }
  return { approval: judge(said) }
}

function decisionOf({ path, expire, by, roles, after }: AskFixture): DecisionFixture {
  const verdict = expire ? 'expire' : 'approve'
  return { path, verdict, ...(by !== undefined && { by }), roles, after, comment: '' }
}

function askOf(world: World, automation: string, path: string): AskStepManifest['ask'] {
  const step = findStep(world.known.automations.get(automation)?.steps ?? [], path)
  if (step && 'ask' in step) return step.ask
  throw new Error(`${automation} has no question ${path}`)
}
