/** The steps of one block, one after the other. */
import { LIMITS } from '../../lib/limits.ts'
import type { Scope } from '../../lib/cel.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { CallStep, CodeStep, PlanStep } from '../../schemas/planned.ts'
import { advanceLanes, openLanes } from './lanes.ts'
import { assertValueSize } from './limits.ts'
import { nextTry, type NextTry } from './retry.ts'
import { argumentsOf, isTrue, resolved, resolvedMarkdown, resolvedObject, scopeOf, timeOf } from './scope.ts'
import { stepIn, type BlockState, type StepError, type StepState } from './state.ts'
import type { Frame, Progress, ReadyStep, Turn } from './turn.ts'

const FIRST_TRY: NextTry = { tries: { attempt: 1, round: 1 }, delayMs: 0 }
const SKIPPED: StepState = { status: 'skipped', output: null }

export function advanceBlock(
  turn: Turn,
  frame: Frame,
  steps: readonly PlanStep[],
  before: BlockState,
): Progress {
  let block = before
  let output: Extract<Progress, { kind: 'done' }>['output'] = null
  for (const step of steps) {
    const known = stepIn(block, step.name)
    const now = move(turn, frame, { step, block, known })
    if (!now) return { kind: 'going', block }
    if (now !== known) block = { ...block, [step.name]: now }
    switch (now.status) {
      case 'running':
        return { kind: 'going', block }
      case 'failed':
        if (step.onError !== 'continue') return { kind: 'failed', block, error: located(frame, step, now) }
        output = null
        break
      case 'completed':
        output = now.output
        if (now.ends) return { kind: 'done', block, output, ends: true }
        break
      case 'skipped':
        break
      default:
        now satisfies never
    }
  }
  return { kind: 'done', block, output, ends: false }
}

interface At {
  step: PlanStep
  /** Of all steps of the block. */
  block: BlockState
  known: StepState | undefined
}

/** The step as it is after this turn; undefined if it has to wait until fewer steps are under way. */
function move(turn: Turn, frame: Frame, at: At): StepState | undefined {
  const { step, known } = at
  if (known === undefined) return enter(turn, frame, at)
  if (known.status === 'running' && 'lanes' in known) {
    if (step.type === 'choose' || step.type === 'for_each' || step.type === 'parallel')
      return advanceLanes(turn, frame, { step, block: at.block, lanes: known.lanes })
  }
  if (known.status !== 'failed' || !isTried(step)) return known
  const again = nextTry(step.retry, known)
  if (!again) return known
  return guarded(turn, frame.prefix + step.name, () =>
    startTry(turn, frame, step, { ...again, scope: scopeOf(turn, frame, at.block) }),
  )
}

function isTried(step: PlanStep): step is CallStep | CodeStep {
  return step.type === 'call' || step.type === 'writeback' || step.type === 'code'
}

/** What goes wrong on the way in is the step's failure. */
function enter(turn: Turn, frame: Frame, { step, block }: At): StepState | undefined {
  return guarded(turn, frame.prefix + step.name, () => {
    const scope = scopeOf(turn, frame, block)
    if (step.if !== undefined && !isTrue('if', step.if, scope)) return SKIPPED
    switch (step.type) {
      case 'return':
        return { status: 'completed', output: bounded('the result', resolved(step.value, scope)), ends: true }
      case 'fail': {
        const text = bounded('the message', resolved(step.message, scope))
        return { status: 'failed', output: null, error: { code: step.code, message: asText(text) } }
      }
      case 'choose':
      case 'for_each':
      case 'parallel': {
        const lanes = openLanes(turn, step, scope)
        if (!lanes) return SKIPPED
        countBegun(turn, frame)
        return advanceLanes(turn, frame, { step, block, lanes })
      }
      case 'call':
      case 'writeback':
      case 'code':
        return startTry(turn, frame, step, { ...FIRST_TRY, scope })
      case 'ask':
      case 'run_automation':
      case 'sleep':
        return start(turn, frame, () => ({ path: frame.prefix + step.name, ...readyOf(step, scope) }))
      default:
        return step satisfies never
    }
  })
}

type Ready<Type extends ReadyStep['type']> = Omit<Extract<ReadyStep, { type: Type }>, 'path'>

function asText(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function readyOf(
  step: Extract<PlanStep, { type: 'ask' | 'run_automation' | 'sleep' }>,
  scope: () => Scope,
): Ready<'ask'> | Ready<'run_automation'> | Ready<'sleep'> {
  if (step.type === 'ask') {
    const question: JsonObject = {
      ...resolvedObject({ title: step.title }, scope),
      markdown: resolvedMarkdown(step.markdown, scope),
    }
    const { title, markdown } = bounded('the question', question)
    return {
      type: step.type,
      title: asText(title),
      markdown: asText(markdown),
      ...(step.whom === undefined ? {} : { whom: step.whom }),
      expiresAfterMs: step.expiresAfterMs,
    }
  }
  if (step.type === 'run_automation') {
    return {
      type: step.type,
      automation: step.automation,
      input: bounded('the input', resolvedObject(step.input, scope)),
    }
  }
  const { sleep } = step
  return {
    type: step.type,
    sleep: 'forMs' in sleep ? { forMs: sleep.forMs } : { untilMs: timeOf(sleep.until, scope) },
  }
}

function startTry(
  turn: Turn,
  frame: Frame,
  step: CallStep | CodeStep,
  { tries, delayMs, scope }: NextTry & { scope: () => Scope },
): StepState | undefined {
  const { timeoutMs } = step
  const common = { path: frame.prefix + step.name, timeoutMs, delayMs }
  return start(
    turn,
    frame,
    () => {
      if (step.type === 'code') {
        const context = bounded('what the code is given', scope() as JsonObject)
        return { ...common, type: step.type, source: step.source, context }
      }
      const args = bounded('the arguments', argumentsOf(step.call.arguments, scope))
      return { ...common, type: step.type, call: { ...step.call, arguments: args }, round: tries.round }
    },
    tries,
  )
}

function start(
  turn: Turn,
  frame: Frame,
  ready: () => ReadyStep,
  tries = FIRST_TRY.tries,
): StepState | undefined {
  if (turn.room <= 0) return undefined
  if (tries.attempt === 1) countBegun(turn, frame)
  turn.start.push(ready())
  turn.room -= 1
  return { status: 'running', tries }
}

function countBegun(turn: Turn, frame: Frame): void {
  if (frame.isInLoop) return
  turn.begun += 1
  if (turn.begun > LIMITS.stepsPerRun)
    throw new CodedError('LIMIT_EXCEEDED', `a run takes ${LIMITS.stepsPerRun} steps outside of loops`)
}

/** The value; throws VALUE_TOO_LARGE. */
function bounded<Value extends JsonValue>(what: string, value: Value): Value {
  assertValueSize(what, value)
  return value
}

function guarded(turn: Turn, path: string, work: () => StepState | undefined): StepState | undefined {
  const { begun, items } = turn
  turn.needed = null
  try {
    return work()
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    const needs = turn.needed as string | null
    if (needs !== null) {
      // It stays where it is, and is come to again with every turn.
      Object.assign(turn, { begun, items, needed: null })
      turn.stuck.push({ path, needs })
      return undefined
    }
    return { status: 'failed', output: null, error: { code: error.code, message: error.message } }
  }
}

/** The failure of a block is that of the step inside, which is named already. */
function located(frame: Frame, step: PlanStep, failed: Extract<StepState, { status: 'failed' }>): StepError {
  const { code, message } = failed.error
  return failed.lanes ? failed.error : { code, message: `step ${frame.prefix}${step.name}: ${message}` }
}
