/**
 * Plays a run: the interpreter that plays real runs says what is next, a world made up by a test says how it ends, and
 * time passes only where something waits. The same test always takes the same course.
 */
import type { JsonObject, JsonValue } from '../lib/json.ts'
import type { Plan } from '../schemas/planned.ts'
import { advance } from '../workflows/interpreter/advance.ts'
import { keepable } from '../workflows/interpreter/limits.ts'
import { createRunState, settle, type RunState, type SettledStep } from '../workflows/interpreter/state.ts'
import type { ReadyStep } from '../workflows/interpreter/turn.ts'

/** How a step ends, and when; null if the test leaves it waiting. */
export interface Performed {
  settled: SettledStep | null
  atMs: number
}

export interface Outside {
  perform(step: ReadyStep, nowMs: number): Promise<Performed>
  /** It is cancelled while it is under way. */
  cut(path: string, nowMs: number): SettledStep
}

export type End =
  | { kind: 'completed'; output: JsonValue }
  | { kind: 'failed'; error: { code: string; message: string } }
  | { kind: 'waiting' }

export interface Simulated {
  state: RunState
  end: End
  atMs: number
}

interface Event extends Performed {
  path: string
}

export async function simulate(
  plan: Plan,
  { input, run, startMs }: { input: JsonValue; run: JsonObject; startMs: number },
  outside: Outside,
): Promise<Simulated> {
  let state = createRunState(input, run)
  let nowMs = startMs
  let underWay: Event[] = []
  for (;;) {
    const advanced = advance(plan, state)
    state = advanced.state
    const { next } = advanced
    switch (next.kind) {
      case 'completed':
      case 'failed':
        return { state, end: next, atMs: nowMs }
      case 'perform': {
        underWay = underWay.map((event) =>
          next.cancel.includes(event.path)
            ? { ...event, atMs: nowMs, settled: outside.cut(event.path, nowMs) }
            : event,
        )
        for (const step of next.start)
          underWay.push({ path: step.path, ...(await outside.perform(step, nowMs)) })
        break
      }
      case 'wait': {
        const event = earliest(underWay)
        if (!event?.settled) return { state, end: { kind: 'waiting' }, atMs: nowMs }
        underWay = underWay.filter((other) => other !== event)
        nowMs = event.atMs
        state = settle(state, event.path, keepable(state, event.settled))
        break
      }
      default:
        next satisfies never
    }
  }
}

/** Of those at the same time the one that began first. */
function earliest(events: readonly Event[]): Event | undefined {
  return events.reduce<Event | undefined>(
    (first, event) => (event.settled && (!first || event.atMs < first.atMs) ? event : first),
    undefined,
  )
}
