/** What to do about an issue of zod. Nothing is said where the schema's own sentence says it: an issue that is `custom`, or a pattern with a
 * sentence of its own. */
import type { z } from 'zod'
import { nearestName } from './nearest-name.ts'
import { keysAt, wordsAt } from './zod-known.ts'

export interface Parsed {
  schema: z.core.$ZodType
  value: unknown
}

const MAX_LISTED = 20
const KINDS: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

/** `path` is that of the issue from the whole value on. */
export function hintFor(
  issue: z.core.$ZodIssue,
  path: readonly PropertyKey[],
  { schema, value }: Parsed,
): string | undefined {
  switch (issue.code) {
    case 'unrecognized_keys':
      return keyHint(issue.keys[0] ?? '', keysAt(schema, value, path))
    case 'invalid_value':
      return choice(valueAt(value, path), issue.values.map(String))
    case 'invalid_union':
      return choice(valueAt(value, path), wordsAt(schema, value, path))
    case 'invalid_type':
      return `It takes ${KINDS[issue.expected] ?? issue.expected}.`
    case 'too_small':
      return `It takes ${String(issue.minimum)} or more.`
    case 'too_big':
      return `It takes ${String(issue.maximum)} or less.`
    case 'invalid_format':
      if (!issue.message.startsWith('Invalid')) return undefined
      return issue.pattern === undefined ? `It takes a ${issue.format}.` : `It has to match ${issue.pattern}.`
    case 'invalid_key':
      return 'Rename the key.'
    default:
      return undefined
  }
}

function keyHint(key: string, known: readonly string[]): string | undefined {
  return known.includes(key) ? 'It belongs to another form: write one or the other.' : choice(key, known)
}

function choice(wanted: unknown, names: readonly string[]): string | undefined {
  const nearest = typeof wanted === 'string' ? nearestName(wanted, names) : undefined
  if (nearest !== undefined) return `Did you mean \`${nearest}\`?`
  return names.length === 0 ? undefined : `There are: ${names.slice(0, MAX_LISTED).join(', ')}.`
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  )
}
