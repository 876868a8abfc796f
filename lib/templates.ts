/**
 * `${{ expression }}` inside the texts of JSON values. Keys are left alone.
 *
 * A text that is exactly one `${{ … }}` becomes the result with its type. Anything else interpolates: texts as they
 * are, numbers and booleans as JSON writes them, objects and lists as JSON text; null is an error, because a hole in
 * a text is nearly always a mistake (write `${{ x == null ? "" : x }}` where it is not). `$${{` stands for `${{`.
 */
import { CodedError } from '../schemas/errors.ts'
import { evaluateExpression } from './cel.ts'
import type { Scope } from './cel.ts'
import { withAllowance } from './cel-work.ts'
import type { JsonObject, JsonValue } from './json.ts'
import { MAX_EXPRESSION_WORK } from './limits.ts'
import { markdownText } from './shown-text.ts'

const OPEN = '${{'
const ESCAPED_OPEN = '$${{'
const CLOSE = '}}'
const MAX_TEXT_LENGTH = 4 * 1024 * 1024

export interface TemplateExpression {
  /** Where the text is, such as `lines[0].note`; empty for the value itself. */
  path: string
  source: string
  /** Of the source in that text. */
  offset: number
}

type Part = { text: string } | { source: string; offset: number }

/** All of them share the work of one expression. Throws what `evaluateExpression` throws, with the path in front, and `INVALID_EXPRESSION` for `${{` without `}}`. */
export function resolveTemplates(value: JsonValue, scope: Scope): JsonValue {
  return withAllowance({ left: MAX_EXPRESSION_WORK }, () =>
    mapTexts(value, '', (text) => resolveText(text, scope)),
  )
}

/** A text whose author writes markdown: what expressions fill in is text in it, and no markup. */
export function resolveMarkdown(markdown: string, scope: Scope): string {
  const parts = splitText(markdown)
  return parts
    .map((part) => {
      if ('text' in part) return part.text
      const value = evaluateExpression(part.source, scope)
      return markdownText(value === null && parts.length === 1 ? 'null' : asText(value, part.source))
    })
    .join('')
}

/** The expression of a text that is exactly one, whose result keeps its type. */
export function wholeTemplate(text: string): string | undefined {
  const [first, ...rest] = splitText(text)
  return first !== undefined && 'source' in first && rest.length === 0 ? first.source : undefined
}

/** All expressions of a value, for checks at save time. Throws `INVALID_EXPRESSION` for `${{` without `}}`. */
export function templateExpressions(value: JsonValue): TemplateExpression[] {
  const found: TemplateExpression[] = []
  mapTexts(value, '', (text, path) => {
    for (const part of splitText(text)) if ('source' in part) found.push({ path, ...part })
    return null
  })
  return found
}

/**
 * Where a value is none that the template can give, by what in it is no expression: null if it is one, and an empty path
 * for the value itself. Names are never made by an expression; an expression alone may give anything.
 */
export function templateMisfit(template: JsonValue, value: JsonValue, path = ''): string | null {
  if (typeof template === 'string') return isGivenBy(splitText(template), value) ? null : path
  if (template === null || typeof template !== 'object') return template === value ? null : path
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(template))
    return path
  if (Array.isArray(template) && Array.isArray(value)) {
    if (template.length !== value.length) return path
    return firstMisfit(template.map((item, i) => templateMisfit(item, value[i] ?? null, `${path}[${i}]`)))
  }
  const [wanted, given] = [template as JsonObject, value as JsonObject]
  const odd = [...Object.keys(wanted), ...Object.keys(given)].find(
    (key) => !Object.hasOwn(wanted, key) || !Object.hasOwn(given, key),
  )
  if (odd !== undefined) return joinPath(path, odd)
  return firstMisfit(
    Object.entries(wanted).map(([key, item]) =>
      templateMisfit(item, given[key] ?? null, joinPath(path, key)),
    ),
  )
}

function firstMisfit(places: (string | null)[]): string | null {
  return places.find((place) => place !== null) ?? null
}

/** Whether the texts between the expressions stand in the value, in their order, the outer ones at its ends. */
function isGivenBy(parts: readonly Part[], value: JsonValue): boolean {
  const [first, ...rest] = parts
  if (first === undefined) return value === ''
  if (rest.length === 0) return 'source' in first || first.text === value
  if (typeof value !== 'string') return false
  let from = 0
  for (const [index, part] of parts.entries()) {
    if ('source' in part) continue
    const isLast = index === parts.length - 1
    const at = isLast ? value.length - part.text.length : value.indexOf(part.text, from)
    if (at < from || !value.startsWith(part.text, at) || (index === 0 && at > 0)) return false
    from = at + part.text.length
  }
  return true
}

function mapTexts(
  value: JsonValue,
  path: string,
  change: (text: string, path: string) => JsonValue,
): JsonValue {
  if (typeof value === 'string') return withPath(path, () => change(value, path))
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map((item, index) => mapTexts(item, `${path}[${index}]`, change))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, mapTexts(item, joinPath(path, key), change)]),
  )
}

function resolveText(text: string, scope: Scope): JsonValue {
  if (!text.includes(OPEN)) return text
  const parts = splitText(text)
  const [first] = parts
  if (parts.length === 1 && first !== undefined && 'source' in first) {
    return evaluateExpression(first.source, scope)
  }
  let resolved = ''
  for (const part of parts) {
    resolved += 'text' in part ? part.text : asText(evaluateExpression(part.source, scope), part.source)
    if (resolved.length > MAX_TEXT_LENGTH) throw new CodedError('VALUE_TOO_LARGE', 'The text is over 4 MB')
  }
  return resolved
}

function asText(value: JsonValue, source: string): string {
  if (typeof value === 'string') return value
  if (value !== null) return JSON.stringify(value)
  throw new CodedError(
    'EXPRESSION_FAILED',
    `\`${source.trim()}\` is null inside a text; say what to write instead, as in \`x == null ? "" : x\``,
  )
}

function splitText(text: string): Part[] {
  const parts: Part[] = []
  let literal = ''
  let position = 0
  while (position < text.length) {
    const next = text.indexOf(OPEN, position)
    if (next < 0) break
    if (next > position && text.startsWith(ESCAPED_OPEN, next - 1)) {
      literal += text.slice(position, next - 1) + OPEN
      position = next + OPEN.length
      continue
    }
    literal += text.slice(position, next)
    const end = findClose(text, next + OPEN.length)
    if (end < 0) {
      throw new CodedError(
        'INVALID_EXPRESSION',
        `\`${OPEN}\` at character ${next + 1} is not closed by \`${CLOSE}\``,
      )
    }
    if (literal !== '') parts.push({ text: literal })
    literal = ''
    parts.push({ source: text.slice(next + OPEN.length, end), offset: next + OPEN.length })
    position = end + CLOSE.length
  }
  literal += text.slice(position)
  if (literal !== '') parts.push({ text: literal })
  return parts
}

/** The `}}` that ends the expression: not one inside a text, a comment or the braces of a map. */
function findClose(text: string, start: number): number {
  let depth = 0
  let position = start
  while (position < text.length) {
    const character = text[position]
    if (character === '"' || character === "'") {
      position = skipText(text, position)
      continue
    }
    if (text.startsWith('//', position)) {
      const lineEnd = text.indexOf('\n', position)
      position = lineEnd < 0 ? text.length : lineEnd
      continue
    }
    if (character === '{') depth += 1
    if (character === '}') {
      if (depth === 0) return text.startsWith(CLOSE, position) ? position : -1
      depth -= 1
    }
    position += 1
  }
  return -1
}

/** The position after a CEL text, by the rules of the library's lexer: a backslash hides the next character. */
function skipText(text: string, start: number): number {
  const quote = text.slice(start, start + 1)
  const delimiter = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote
  let position = start + delimiter.length
  while (position < text.length) {
    if (text.startsWith(delimiter, position)) return position + delimiter.length
    position += text[position] === '\\' ? 2 : 1
  }
  return position
}

function joinPath(path: string, key: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

function withPath<Result>(path: string, run: () => Result): Result {
  try {
    return run()
  } catch (error) {
    if (path === '' || !(error instanceof CodedError)) throw error
    throw new CodedError(error.code, `${path}: ${error.message}`, { cause: error.cause })
  }
}
