/** What to do about an issue of zod. Nothing is said where the schema's own sentence says it: an issue that is `custom`, or a pattern with a
 * sentence of its own. */
import type { z } from 'zod'
import { nearestName } from './nearest-name.ts'
import { keysAt, wordsAt } from './zod-known.ts'
import { kindWord } from './zod-sentences.ts'

export interface Parsed {
  schema: z.core.$ZodType
  value: unknown
  /** What is written here for a field, or a word, that other products have. */
  elsewhere?: { key: (key: string) => string | undefined; word: (word: string) => string | undefined }
}

const MAX_LISTED = 20
/** `path` is that of the issue from the whole value on. */
export function hintFor(
  issue: z.core.$ZodIssue,
  path: readonly PropertyKey[],
  parsed: Parsed,
): string | undefined {
  const { schema, value } = parsed
  switch (issue.code) {
    case 'unrecognized_keys':
      return keyHint(issue.keys[0] ?? '', keysAt(schema, value, path), parsed)
    case 'invalid_value':
      return wordHint(valueAt(value, path), issue.values.map(String), parsed)
    case 'invalid_union':
      return wordHint(valueAt(value, path), wordsAt(schema, value, path), parsed)
    case 'invalid_type':
      return kindHint(issue.expected, valueAt(value, path))
    case 'too_small':
      return `It takes ${String(issue.minimum)} or more.`
    case 'too_big':
      return `It takes ${String(issue.maximum)} or less.`
    case 'invalid_format':
      if (issue.format === 'url') return 'Write the whole address, such as https://tickets.example.org/mcp.'
      if (!issue.message.startsWith('Invalid')) return undefined
      return issue.pattern === undefined ? `It takes a ${issue.format}.` : `It has to match ${issue.pattern}.`
    case 'invalid_key':
      return 'Rename the key.'
    default:
      return undefined
  }
}

/** Of a value that says none of the things it could do: what one of its other fields was meant to be. */
export function actionHint(
  path: readonly PropertyKey[],
  { schema, value, elsewhere }: Parsed,
  actions: readonly string[],
): string | undefined {
  const inner = valueAt(value, path)
  if (typeof inner !== 'object' || inner === null) return undefined
  const known = keysAt(schema, value, path)
  for (const key of Object.keys(inner).filter((name) => !known.includes(name))) {
    const nearest = nearestName(key, actions)
    const hint = elsewhere?.key(key) ?? (nearest && `Did you mean \`${nearest}\`?`)
    if (hint !== undefined) return `There is no \`${key}\`. ${hint}`
  }
  return undefined
}

function keyHint(key: string, known: readonly string[], { elsewhere }: Parsed): string | undefined {
  if (known.includes(key)) return 'It belongs to another form: write one or the other.'
  if (nearestName(key, known) !== undefined) return choice(key, known)
  return elsewhere?.key(key) ?? choice(key, known)
}

function wordHint(wanted: unknown, names: readonly string[], { elsewhere }: Parsed): string | undefined {
  const told = typeof wanted === 'string' ? elsewhere?.word(wanted) : undefined
  return told ?? choice(wanted, names)
}

function kindHint(expected: string, value: unknown): string {
  const isPlain = typeof value === 'number' || typeof value === 'boolean'
  if (expected === 'string' && isPlain) return 'Put it in quotes.'
  if (expected === 'array' && value !== undefined)
    return 'Write each item on a line of its own, after a dash.'
  const isNumber = typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))
  if ((expected === 'number' || expected === 'int') && isNumber) return 'Write it without quotes.'
  return `It takes ${kindWord(expected)}.`
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
