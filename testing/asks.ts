/** Questions to people: answered as the test says, if the answer fits the form that people would be shown. */
import { misfit } from '../lib/answer-form.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { durationMs } from '../schemas/common.ts'
import { findStep } from '../schemas/step-tree.ts'
import type { ReadyStep } from '../workflows/interpreter/turn.ts'
import type { Performed } from './simulate.ts'
import { failed, TestGap, type Standing, type World } from './world.ts'

export function askPeople(
  world: World,
  { automation, prefix }: Standing,
  step: Extract<ReadyStep, { type: 'ask' }>,
  nowMs: number,
): Performed {
  const path = prefix + step.path
  world.asked.push(path)
  const said = world.fixtures.answerToAsk(path)
  if (!said) return { atMs: nowMs, settled: null }
  const atMs = nowMs + durationMs(said.after)
  if (said.expire || atMs > nowMs + step.expiresAfterMs)
    return failed({ code: 'EXPIRED', message: 'nobody has answered in time' }, nowMs + step.expiresAfterMs)
  const answer = said.answer as JsonValue
  const problem = misfit(formOf(world, automation, step.path), answer)
  if (problem !== null) throw new TestGap(`${path}: ${problem}`)
  return { atMs, settled: { status: 'completed', output: answer } }
}

function formOf(world: World, automation: string, path: string): JsonObject {
  const step = findStep(world.known.automations.get(automation)?.steps ?? [], path)
  return step && 'ask' in step ? (step.ask.form as JsonObject) : {}
}
