/** What expressions can name, and what they give. */
import { evaluateExpression, type Scope } from '../../lib/cel.ts'
import { startOf } from '../../lib/cut-text.ts'
import { isoTimeMs } from '../../lib/iso-time.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { MAX_ITEMS } from '../../lib/limits.ts'
import { resolveMarkdown, resolveTemplates } from '../../lib/templates.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { BlockState } from './state.ts'
import type { Frame, Turn } from './turn.ts'

/** The scope of a step whose block stands as given: made once, when the first expression asks. */
export function scopeOf(turn: Turn, frame: Frame, block: BlockState): () => Scope {
  return once(() => ({
    ...frame.variables,
    input: turn.input,
    run: turn.run,
    steps: visibleSteps(frame, block),
  }))
}

/** The frame of a lane: it sees what the step around it sees. */
export function innerFrame(
  frame: Frame,
  block: BlockState,
  inner: Pick<Frame, 'prefix'> & Partial<Frame>,
): Frame {
  return { ...frame, outer: once(() => visibleSteps(frame, block)), ...inner }
}

/** Only what has settled can be named. */
function visibleSteps(frame: Frame, block: BlockState): JsonObject {
  const visible: JsonObject = { ...frame.outer() }
  for (const [name, step] of Object.entries(block)) {
    if (step.status === 'running') continue
    const { status, output } = step
    const error = step.status === 'failed' ? { ...step.error } : null
    const writeback = step.status !== 'skipped' && step.writeback ? { ...step.writeback } : null
    const entry = { status, output, error, writeback }
    visible[name] = frame.guard ? frame.guard(entry) : entry
  }
  return visible
}

/** `what` is the key of the manifest, for the message. */
export function isTrue(what: string, expression: string, scope: () => Scope): boolean {
  const value = evaluateExpression(expression, scope())
  if (typeof value === 'boolean') return value
  throw unexpected(what, expression, `gives ${kindOf(value)}, not true or false`)
}

export function itemsOf(expression: string, scope: () => Scope): JsonValue[] {
  const value = evaluateExpression(expression, scope())
  if (!Array.isArray(value)) throw unexpected('items', expression, `gives ${kindOf(value)}, not a list`)
  if (value.length <= MAX_ITEMS) return value
  throw new CodedError('LIMIT_EXCEEDED', `items: a list of ${value.length}; a loop takes ${MAX_ITEMS}`)
}

/** Milliseconds since 1970. */
export function timeOf(expression: string, scope: () => Scope): number {
  const value = evaluateExpression(expression, scope())
  const timeMs = isoTimeMs(value)
  if (timeMs !== null) return timeMs
  throw unexpected('until', expression, `gives ${kindOf(value)}, not a time in ISO 8601 with a zone`)
}

export function resolved<T extends JsonValue>(value: T, scope: () => Scope): JsonValue {
  // A value without expressions needs no scope.
  return JSON.stringify(value).includes('${{') ? resolveTemplates(value, scope()) : value
}

export function resolvedObject(value: JsonObject, scope: () => Scope): JsonObject {
  return resolved(value, scope) as JsonObject
}

export function resolvedMarkdown(text: string, scope: () => Scope): string {
  return text.includes('${{') ? resolveMarkdown(text, scope()) : text
}

/** As an object, or as one expression that gives it. */
export function argumentsOf(value: JsonObject | string, scope: () => Scope): JsonObject {
  if (typeof value !== 'string') return resolvedObject(value, scope)
  const given = resolved(value, scope)
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given
  throw unexpected('arguments', value, `gives ${kindOf(given)}, not an object`)
}

/** Short things as they are, of others the kind: messages are not for data. */
function kindOf(value: JsonValue): string {
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  return startOf(JSON.stringify(value), 80)
}

function unexpected(what: string, expression: string, problem: string): CodedError {
  return new CodedError('EXPRESSION_FAILED', `${what}: ${expression} ${problem}`)
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => (made ??= { value: make() }).value
}
