/** What is wrong with a value, in our words, where the schema has no sentence of its own. Given to the parser. */
import type { z } from 'zod'

const KINDS: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
const MISSING = 'is missing'
/** Enough to see what they are. */
const MAX_LISTED = 20

/** Undefined: the library's own. */
export const sentenceOf: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return kindSentence(issue.expected, issue.input)
    case 'invalid_value':
      return issue.input === undefined ? MISSING : oneOf(issue.values)
    case 'invalid_union':
      return unionSentence(issue)
    case 'unrecognized_keys':
      return `has no ${issue.keys.length === 1 ? 'field' : 'fields'} ${issue.keys.map((key) => `\`${key}\``).join(', ')}`
    case 'too_small':
      return boundSentence('at least', issue.minimum, issue.origin)
    case 'too_big':
      return boundSentence('at most', issue.maximum, issue.origin)
    case 'invalid_format':
      return issue.format === 'url' ? 'must be an address that begins with http:// or https://' : undefined
    case 'invalid_key':
      return `has a name that cannot be used: it ${issue.issues[0]?.message ?? 'is not of the expected form'}`
    default:
      return undefined
  }
}

export function isMissingSentence(message: string): boolean {
  return message === MISSING || message.includes('received undefined')
}

export function kindWord(expected: string): string {
  return KINDS[expected] ?? expected
}

function kindSentence(expected: string, input: unknown): string {
  if (input === undefined) return MISSING
  if (expected === 'int' && typeof input === 'number') return 'must be a whole number'
  return `must be ${kindWord(expected)}, not ${kindOf(input)}`
}

function kindOf(input: unknown): string {
  if (input === null) return 'null'
  return kindWord(Array.isArray(input) ? 'array' : typeof input)
}

/** Of one that is told by a word: which words there are. Others are told by what is wrong in the form that fits best. */
function unionSentence(issue: Parameters<z.core.$ZodErrorMap>[0]): string | undefined {
  const { discriminator, options, input } = issue as {
    discriminator?: string
    options?: unknown
    input?: unknown
  }
  if (discriminator === undefined || !Array.isArray(options)) return undefined
  const isThere =
    typeof input === 'object' && input !== null && Reflect.get(input, discriminator) !== undefined
  return isThere ? oneOf(options) : MISSING
}

function oneOf(values: readonly unknown[]): string {
  const words = values.slice(0, MAX_LISTED).map(String).join(', ')
  return values.length === 1 ? `must be ${words}` : `must be one of ${words}`
}

function boundSentence(word: 'at least' | 'at most', bound: number | bigint, origin: string): string {
  if (origin !== 'string' && origin !== 'array') return `must be ${word} ${bound}`
  if (word === 'at least' && Number(bound) === 1) return 'is empty'
  return `must have ${word} ${bound} ${origin === 'string' ? 'characters' : 'items'}`
}
