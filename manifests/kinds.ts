/** Expressions that have to give a certain kind of value: refused where their text shows that they never do. */
import { checkExpression, evaluateExpression } from '../lib/cel.ts'
import { isoTimeMs } from '../lib/iso-time.ts'
import { MAX_ITEMS } from '../lib/limits.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { place } from './document.ts'
import { expressionPlaces, type ExpressionScope } from './expressions.ts'

interface Kind {
  words: string
  /** Of CEL; those of lists go on with what is in them. */
  types: RegExp
}

const KINDS = {
  condition: { words: 'true or false', types: /^bool$/ },
  object: { words: 'an object', types: /^map\b/ },
  list: { words: 'a list', types: /^list\b/ },
  time: { words: 'a time', types: /^(string|google\.protobuf\.Timestamp)$/ },
} as const satisfies Record<string, Kind>

export function typedExpressionPlaces(
  path: string,
  source: string,
  { scope, kind }: { scope: ExpressionScope; kind: keyof typeof KINDS },
): ProblemPlace[] {
  const places = expressionPlaces(path, source, scope)
  const checked = checkExpression(source, scope.variables)
  if (places.length > 0 || !checked.ok) return places
  const { words, types } = KINDS[kind]
  const { type = 'dyn', references } = checked
  if (type !== 'dyn' && !types.test(type))
    return [
      place(
        'wrong-kind',
        path,
        `gives ${typeWords(type)}, not ${words}`,
        kind === 'time' ? suchAs() : undefined,
      ),
    ]
  return references.length === 0 ? constantPlaces(path, source, kind) : []
}

/** Without a variable it gives the same in every run. */
function constantPlaces(path: string, source: string, kind: keyof typeof KINDS): ProblemPlace[] {
  const value = evaluateExpression(source, {})
  if (kind === 'time' && isoTimeMs(value) === null) {
    const isDay = typeof value === 'string' && isoTimeMs(`${value}T00:00:00Z`) !== null
    const hint = suchAs(isDay ? `${value}T00:00:00Z` : undefined)
    return [place('wrong-kind', path, 'is not a time in ISO 8601 with a zone', hint)]
  }
  if (Array.isArray(value) && value.length > MAX_ITEMS)
    return [place('limit', path, `is a list of ${value.length}; a loop takes ${MAX_ITEMS}`)]
  return []
}

function suchAs(time = '2026-10-01T12:00:00Z'): string {
  return `Such as ${time}.`
}

function typeWords(type: string): string {
  if (/^(int|uint|double)$/.test(type)) return 'a number'
  if (type.startsWith('map')) return 'an object'
  if (type.startsWith('list')) return 'a list'
  return type === 'string' ? 'a text' : type
}
