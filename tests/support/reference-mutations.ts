/** The references of a manifest, and the ways to misspell them that can be seen when it is saved. */
import type { JsonObject, JsonValue } from '../../lib/json.ts'

const REFERENCE = /\b(?:input|run|item|index|event|steps)(?:\.\w+)*/g
const EXPRESSION_FIELDS = ['if', 'when', 'items', 'filter', 'dedupe', 'until']
/** What these hold nobody knows before it is there. */
const OPEN =
  /^(event\.data|item|steps\.(look|read|each|sub|sum|change)\.output|steps\.fan\.output\.(left|right))$/

export interface Misspelling {
  /** As it is then. */
  reference: string
  apply: () => void
}

/** Each segment of each reference, one at a time. */
export function misspellings(document: JsonObject): Misspelling[] {
  return textsIn(document['spec'] ?? null).flatMap(({ at, key, text }) =>
    [...text.matchAll(REFERENCE)].flatMap(({ 0: reference, index }) =>
      isExpression(String(key), text, index)
        ? spelledWrong(reference).map((wrong) => ({
            reference: wrong,
            apply: () =>
              void Reflect.set(at, key, text.slice(0, index) + wrong + text.slice(index + reference.length)),
          }))
        : [],
    ),
  )
}

function isExpression(key: string, text: string, index: number): boolean {
  if (EXPRESSION_FIELDS.includes(key)) return true
  const before = text.slice(0, index)
  return before.lastIndexOf('${{') > before.lastIndexOf('}}')
}

function spelledWrong(reference: string): string[] {
  const parts = reference.split('.')
  const open = parts.findIndex((_part, index) => OPEN.test(parts.slice(0, index + 1).join('.')))
  const known = open < 0 ? parts : parts.slice(0, open + 1)
  return known.map((_part, at) => parts.map((part, index) => (index === at ? `${part}q` : part)).join('.'))
}

function textsIn(value: JsonValue): { at: object; key: string | number; text: string }[] {
  if (value === null || typeof value !== 'object') return []
  const entries: [string | number, JsonValue][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value)
  return entries.flatMap(([key, inner]) =>
    typeof inner === 'string' ? [{ at: value, key, text: inner }] : textsIn(inner),
  )
}
