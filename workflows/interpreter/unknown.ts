/**
 * Outputs that a dry run cannot have: of writes that are not sent, questions that nobody is asked, runs that are not
 * started. They stand in the state of the run as marks. An expression that reads one is stopped, and never given a null
 * that it could take for an answer; one that does not touch it goes on as ever. Real runs have no marks.
 */
import type { JsonValue } from '../../lib/json.ts'
import { CodedError } from '../../schemas/errors.ts'

const PATH = Symbol('path of the step whose output is not known')

/** `path`: of the step. */
export function unknownOutput(path: string): JsonValue {
  return { [PATH]: path } as unknown as JsonValue
}

/** Paths of the steps that the value would come from. */
export function unknownsIn(value: JsonValue): string[] {
  if (value === null || typeof value !== 'object') return []
  const path = pathOf(value)
  return path === undefined ? Object.values(value).flatMap(unknownsIn) : [path]
}

/** With null in the place of what is not known. */
export function withoutUnknowns(value: JsonValue): JsonValue {
  if (value === null || typeof value !== 'object') return value
  if (pathOf(value) !== undefined) return null
  if (Array.isArray(value)) return value.map(withoutUnknowns)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutUnknowns(item)]))
}

/** A copy in which reading what is not known throws, after `onRead` was told whose output it would be. */
export function guardUnknowns<Value extends JsonValue>(value: Value, onRead: (path: string) => void): Value {
  return unknownsIn(value).length === 0 ? value : (guarded(value, onRead) as Value)
}

function guarded(value: JsonValue, onRead: (path: string) => void): JsonValue {
  if (value === null || typeof value !== 'object') return value
  const copy: JsonValue = Array.isArray(value) ? [] : {}
  for (const [key, item] of Object.entries(value)) {
    const path = item === null || typeof item !== 'object' ? undefined : pathOf(item)
    const content =
      path === undefined ? { value: guarded(item, onRead) } : { get: () => refuse(path, onRead) }
    Object.defineProperty(copy, key, { enumerable: true, configurable: true, ...content })
  }
  return copy
}

function refuse(path: string, onRead: (path: string) => void): never {
  onRead(path)
  throw new CodedError('UNRESOLVED_REFERENCE', `a dry run has no output of ${path}`)
}

function pathOf(value: object): string | undefined {
  return (value as { [PATH]?: string })[PATH]
}
