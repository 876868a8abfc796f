/**
 * The world outside of a run, as a test has made it up: tools answer what it says, people decide what it says. Policy,
 * decisions, rounds and retries are the real ones. What only a server knows (which tools there are, their schemas, the
 * rows of a database) is not looked at.
 */
import { sha256Hex } from '../lib/canonical-json.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { MAX_RUN_DEPTH, MAX_SLEEP_MS } from '../lib/limits.ts'
import { inputPlaces } from '../lib/run-input.ts'
import { inSandbox } from '../lib/sandbox/pool.ts'
import { compilePlan } from '../schemas/plan.ts'
import type { SettledStep, StepError } from '../workflows/interpreter/state.ts'
import type { ReadyStep } from '../workflows/interpreter/turn.ts'
import { askPeople } from './asks.ts'
import { performCall } from './calls.ts'
import { simulate, type Outside, type Performed } from './simulate.ts'
import { failed, TestGap, type Standing, type World, type WriteRecord } from './world.ts'

export function outsideOf(world: World, standing: Standing): Outside {
  return {
    perform: (step, nowMs) => perform(world, standing, step, nowMs),
    cut: (path, nowMs) => cut(world, standing.prefix + path, nowMs),
  }
}

async function perform(world: World, standing: Standing, step: ReadyStep, nowMs: number): Promise<Performed> {
  switch (step.type) {
    case 'call':
    case 'writeback':
      return performCall(world, standing, step, nowMs)
    case 'code':
      return compute(world, standing, step, nowMs)
    case 'ask':
      return askPeople(world, standing, step, nowMs)
    case 'sleep':
      return sleep(step, nowMs)
    case 'run_automation':
      return runAutomation(world, standing, step, nowMs)
    default:
      return step satisfies never
  }
}

/** Code is run, as it would be; its time is not counted. */
async function compute(
  world: World,
  { prefix }: Standing,
  step: Extract<ReadyStep, { type: 'code' }>,
  nowMs: number,
): Promise<Performed> {
  const { path, source, context, timeoutMs, delayMs } = step
  const atMs = nowMs + delayMs
  const contextText = JSON.stringify(context)
  const seed = sha256Hex(`run_test/${path}`)
  const answer = await inSandbox({ kind: 'run', source, contextText, timeoutMs, nowMs: atMs, seed })
  world.logs.set(
    prefix + path,
    answer.logs.map(({ text }) => text),
  )
  if (!answer.ok) return failed(answer, atMs)
  return { atMs, settled: { status: 'completed', output: JSON.parse(answer.outputText) as JsonValue } }
}

function sleep({ sleep: nap }: Extract<ReadyStep, { type: 'sleep' }>, nowMs: number): Performed {
  const atMs = Math.max(nowMs, 'forMs' in nap ? nowMs + nap.forMs : nap.untilMs)
  if (atMs - nowMs <= MAX_SLEEP_MS) return { atMs, settled: { status: 'completed', output: null } }
  return failed({ code: 'LIMIT_EXCEEDED', message: 'the time lies over 366 days ahead' }, nowMs)
}

/** As the test says; if it says nothing, the other automation is played as well. */
async function runAutomation(
  world: World,
  standing: Standing,
  step: Extract<ReadyStep, { type: 'run_automation' }>,
  nowMs: number,
): Promise<Performed> {
  const { automation, input } = step
  const path = standing.prefix + step.path
  const answer = world.fixtures.answerTo({ path, automation, arguments: input })
  if (answer?.error) return failed(answer.error, nowMs)
  if (answer) return { atMs: nowMs, settled: { status: 'completed', output: answer.output ?? null } }
  const spec = world.known.automations.get(automation)
  if (!spec)
    throw new TestGap(`${path}: no answer for a run of ${automation}, and no manifest of it to play instead`)
  const refusal = refusalOf(
    automation,
    await inputPlaces(spec.input as JsonObject | undefined, input, null),
    standing.depth,
  )
  if (refusal) return failed(refusal, nowMs)
  const inner = { automation, prefix: `${path}/`, depth: standing.depth + 1 }
  const run = { id: `run_${path}`, organization: 'test', automation, revision: 1 }
  const played = await simulate(
    compilePlan(automation, 1, spec),
    { input, run, startMs: nowMs },
    outsideOf(world, inner),
  )
  const { end, atMs } = played
  if (end.kind === 'waiting') return { atMs, settled: null }
  return end.kind === 'failed'
    ? failed(end.error, atMs)
    : { atMs, settled: { status: 'completed', output: end.output } }
}

function refusalOf(
  automation: string,
  [first]: Awaited<ReturnType<typeof inputPlaces>>,
  depth: number,
): StepError | null {
  if (depth >= MAX_RUN_DEPTH)
    return { code: 'LIMIT_EXCEEDED', message: `runs are ${MAX_RUN_DEPTH} deep already` }
  if (!first) return null
  return {
    code: 'INVALID_ARGUMENTS',
    message: `${automation} does not take this: ${first.path}: ${first.message}`,
  }
}

/** A write that is not over by then is taken back, in a sub-run too. */
function cut(world: World, path: string, nowMs: number): SettledStep {
  let own: WriteRecord | undefined
  for (const write of world.writes) {
    const isInside = write.path.startsWith(`${path}/`)
    if ((write.path !== path && !isInside) || (write.status !== 'waiting' && write.endsAtMs <= nowMs))
      continue
    write.status = 'withdrawn'
    write.endsAtMs = nowMs
    if (!isInside) own = write
  }
  const error =
    own || world.asked.some((asked) => asked.path === path)
      ? { code: 'WITHDRAWN', message: 'the run was cancelled, or the time of the step was over' }
      : { code: 'CANCELLED', message: 'it was cancelled' }
  const writeback = own ? { writeback: { id: own.id, status: 'withdrawn' as const, receipt: '' } } : {}
  return { status: 'failed', output: null, error, ...writeback }
}
