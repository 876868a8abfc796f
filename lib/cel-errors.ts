/** Turns what cel-js throws into errors of our table, with the name that was probably meant. Names keys, never values. */
import { EvaluationError, ParseError, TypeError as CelTypeError } from '@marcbachmann/cel-js'
import type { ASTNode, SourceRange } from '@marcbachmann/cel-js'
import { CodedError } from '../schemas/errors.ts'
import { REPLACED_FUNCTIONS, REPLACED_METHODS } from './cel-environment.ts'
import { staticPathOf } from './cel-references.ts'
import { shortened } from './cut-text.ts'
import { nearestName } from './nearest-name.ts'

const MAX_QUOTED_LENGTH = 120
const MAX_LISTED_NAMES = 12
const REFERENCE_CODES = new Set(['no_such_key', 'unknown_variable', 'index_out_of_bounds'])

const HINTS: Record<string, string> = {
  no_such_overload: ' (make text with string(), numbers with int() or double())',
  limit_exceeded: ' (an expression of this size is hard to read; split it into steps)',
}

type LibraryError = EvaluationError | ParseError | CelTypeError

/** What is wrong with an expression before it is evaluated. Offsets count UTF-16 units from 0; `end` is exclusive. */
export interface Defect {
  code: 'INVALID_EXPRESSION' | 'UNRESOLVED_REFERENCE'
  message: string
  position?: SourceRange
}

export function defectOf(error: unknown, variables: readonly string[]): Defect {
  if (!isLibraryError(error)) return { code: 'INVALID_EXPRESSION', message: messageOf(error) }
  const position = error.range === undefined ? {} : { position: error.range }
  if (error.code === 'unknown_variable' && error.node !== undefined) {
    const name = quote(error.node.input?.slice(error.node.start, error.node.end) ?? '')
    return {
      code: 'UNRESOLVED_REFERENCE',
      message: `There is no variable ${name}${choice(name, variables)}`,
      ...position,
    }
  }
  return { code: 'INVALID_EXPRESSION', message: readable(error), ...position }
}

export function defectToError(defect: Defect, source: string): CodedError {
  const place = defect.position === undefined ? '' : ` at character ${defect.position.start + 1}`
  return new CodedError(defect.code, `${defect.message}${place} of ${quote(source)}`)
}

export function evaluationFailure(error: unknown, source: string, scope: object): CodedError {
  const place = `, in ${quote(source)}`
  if (error instanceof CodedError) return new CodedError(error.code, error.message + place, { cause: error })
  if (!isLibraryError(error))
    return new CodedError('EXPRESSION_FAILED', messageOf(error) + place, { cause: error })
  if (!REFERENCE_CODES.has(error.code)) {
    return new CodedError('EXPRESSION_FAILED', readable(error) + place, { cause: error })
  }
  const node = isTreeNode(error.node) ? error.node : undefined
  const path = node === undefined ? undefined : staticPathOf(node)
  const explained = path === undefined ? undefined : explainMissing(path, scope)
  const reference = node === undefined ? '' : ` (${quote(source.slice(node.start, node.end))})`
  return new CodedError('UNRESOLVED_REFERENCE', (explained ?? readable(error) + reference) + place, {
    cause: error,
  })
}

/** Undefined when the path leads somewhere, which happens when it starts at the variable of a loop. */
function explainMissing(path: readonly string[], scope: object): string | undefined {
  let current: unknown = scope
  for (const [depth, segment] of path.entries()) {
    if (typeof current === 'object' && current !== null && Object.hasOwn(current, segment)) {
      current = Reflect.get(current, segment)
      continue
    }
    return depth === 0 ? undefined : explainGap(pathText(path.slice(0, depth)), segment, current)
  }
  return undefined
}

function explainGap(parent: string, segment: string, value: unknown): string {
  const name = quote(segment)
  if (value === null)
    return `${quote(parent)} is null (as the output of a skipped step is), so it has no ${name}`
  if (Array.isArray(value)) return `${quote(parent)} is a list of ${value.length} and has no element ${name}`
  if (typeof value === 'object')
    return `${quote(parent)} has no ${name}${choice(segment, Object.keys(value))}`
  return `${quote(parent)} is a ${typeof value} and has no ${name}`
}

function pathText(path: readonly string[]): string {
  return path.join('.').replace(/\.(\d+)(?=\.|$)/g, '[$1]')
}

function choice(wanted: string, names: readonly string[]): string {
  const name = wanted.replaceAll('`', '')
  const listed = names.slice(0, MAX_LISTED_NAMES).map(quote).join(', ')
  const more = names.length > MAX_LISTED_NAMES ? ` and ${names.length - MAX_LISTED_NAMES} more` : ''
  const nearest = nearestName(name, names)
  const meant = nearest === undefined ? '' : `; did you mean ${quote(nearest)}?`
  return names.length === 0 ? '; nothing is in scope there' : `; in scope: ${listed}${more}${meant}`
}

/** What cannot stand after a dot, and what is written instead. */
const AFTER_DOT: Record<string, string> = {
  IN: '`in` is a word of the language; after a dot stands a name: write `["in"]` without the dot',
  NULL: '`null` is a value; after a dot stands a name: write `["null"]` without the dot',
  BOOLEAN:
    '`true` and `false` are values; after a dot stands a name: write such as `["true"]` without the dot',
  NUMBER: 'After a dot stands a name; elements of a list are named such as `[0]`, without the dot',
  EOF: 'A name is missing after the dot',
}
const TOKENS: Record<string, string> = {
  IDENTIFIER: 'a name',
  STRING: 'a text',
  NUMBER: 'a number',
  BOOLEAN: '`true` or `false`',
  NULL: '`null`',
  IN: '`in`',
  EOF: 'the end',
  DOT: '`.`',
  COMMA: '`,`',
  COLON: '`:`',
  QUESTION: '`?`',
  LPAREN: '`(`',
  RPAREN: '`)`',
  LBRACKET: '`[`',
  RBRACKET: '`]`',
  LBRACE: '`{`',
  RBRACE: '`}`',
}

/** The parser speaks of its tokens by their names. */
function withoutTokens(message: string): string {
  const [, stray = ''] = /^Unexpected token: ([A-Z_]+)$/.exec(message) ?? []
  if (stray === 'EOF') return 'It ends where a value is missing'
  if (stray !== '') return `${TOKENS[stray] ?? 'An operator'} cannot stand here`
  const [whole, wanted = '', found = ''] = /^Expected ([A-Z]+), got ([A-Z]+)/.exec(message) ?? []
  if (whole === undefined) return message
  const told = wanted === 'IDENTIFIER' ? AFTER_DOT[found] : undefined
  return told ?? `Expected ${TOKENS[wanted] ?? wanted}, found ${TOKENS[found] ?? found}`
}

/** The library's message without its drawing of the source, and with the names that the author wrote. */
function readable(error: LibraryError): string {
  let message = withoutTokens(error.summary)
  for (const [written, replacement] of [...REPLACED_FUNCTIONS, ...REPLACED_METHODS]) {
    message = message.replaceAll(replacement, written)
  }
  return quoteLess(message) + (HINTS[error.code] ?? '')
}

function quote(text: string): string {
  return `\`${quoteLess(text)}\``
}

function quoteLess(text: string): string {
  return shortened(text, MAX_QUOTED_LENGTH)
}

function messageOf(error: unknown): string {
  if (error instanceof RangeError) return 'The expression or its data is nested too deeply or too large'
  return error instanceof Error ? error.message : String(error)
}

function isLibraryError(error: unknown): error is LibraryError {
  return error instanceof EvaluationError || error instanceof ParseError || error instanceof CelTypeError
}

function isTreeNode(node: unknown): node is ASTNode {
  return typeof node === 'object' && node !== null && 'op' in node && 'args' in node
}
