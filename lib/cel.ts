/**
 * Expressions: CEL over plain JSON, with plain JSON as the result.
 *
 * The same expression and scope give the same result on every machine and in every time zone, in the workflow sandbox
 * and outside of it: there is no clock, no chance, no local time and no regular expression. Work and size are bounded.
 * Workflow bundles preload this module, which freezes it; it holds nothing but caches that cannot change a result.
 */
import './cel-date-fix.ts'
import type { Environment, ParseResult, SourceRange } from '@marcbachmann/cel-js'
import { environmentFor } from './cel-environment.ts'
import { defectOf, defectToError, evaluationFailure } from './cel-errors.ts'
import type { Defect } from './cel-errors.ts'
import { toJson } from './cel-result.ts'
import { resetTimes } from './cel-time.ts'
import { paySource, withinWork } from './cel-work.ts'
import { collectOptional, collectReferences } from './cel-references.ts'
import { guardTree, keepsValues, resetIterations } from './cel-tree.ts'
import type { Comparison } from './cel-tree.ts'
import type { JsonValue } from './json.ts'

/** Variables by name. Exactly these are known to the expression. */
export type Scope = Readonly<Record<string, JsonValue>>

export type ExpressionCheck =
  | { ok: true; references: string[][]; optional: string[][]; type: string | undefined }
  | { ok: false; message: string; position?: SourceRange }

/** With the bound on nodes it keeps the parser's recursion far from the end of any stack. */
const MAX_SOURCE_LENGTH = 4_096
/** Parsing takes 4 µs, so a miss costs little; a thousand is more than the expressions of all automations of a busy worker. */
const MAX_CACHED_EXPRESSIONS = 1_000

type Compiled = { ok: true; run: ParseResult } | { ok: false; defect: Defect }

const cache = new Map<string, Compiled>()

/**
 * Throws `UNRESOLVED_REFERENCE` for a variable, key or index that does not exist (use `has()` or `.?` where that is
 * legal), `INVALID_EXPRESSION` for what `checkExpression` would refuse, `VALUE_TOO_LARGE` for a result over 4 MB,
 * `EXPRESSION_TOO_COSTLY` for more work than an expression may make, and `EXPRESSION_FAILED` for everything else.
 */
export function evaluateExpression(source: string, scope: Scope): JsonValue {
  return evaluate(source, scope, 'loose')
}

/** For policies, and for a look that tells whether a write was done: values of different kinds are not just different, they cannot be compared (`EXPRESSION_FAILED`). */
export function evaluateStrictly(source: string, scope: Scope): JsonValue {
  return evaluate(source, scope, 'strict')
}

function evaluate(source: string, scope: Scope, comparison: Comparison): JsonValue {
  const compiled = compile(source, Object.keys(scope), comparison)
  if (!compiled.ok) throw defectToError(compiled.defect, source)
  try {
    return withinWork(source, () => {
      resetIterations()
      resetTimes()
      return toJson(compiled.run(scope))
    })
  } catch (error) {
    throw evaluationFailure(error, source, scope)
  }
}

/**
 * The check at save time: syntax, known variables and functions, and types as far as the text shows them. `type` is what
 * the expression gives, in words of CEL: `dyn` or nothing where only the values can tell. `optional` are the paths that
 * it does not take for granted.
 */
export function checkExpression(source: string, variables: readonly string[]): ExpressionCheck {
  const compiled = compile(source, variables)
  if (compiled.ok) {
    const { type } = compiled.run.check()
    const { ast } = compiled.run
    return { ok: true, references: collectReferences(ast), optional: collectOptional(ast), type }
  }
  const { message, position } = compiled.defect
  return position === undefined ? { ok: false, message } : { ok: false, message, position }
}

/**
 * The paths that an expression names, such as `['steps', 'invoice', 'output', 'id']`; literal indexes count as
 * segments, a computed index ends its path. Any variable may occur. Throws `INVALID_EXPRESSION` for bad syntax.
 */
export function referencesOf(source: string): string[][] {
  paySource(source)
  const parsed = parse(source, environmentFor([]).environment)
  if (!parsed.ok) throw defectToError(parsed.defect, source)
  return collectReferences(parsed.run.ast)
}

function compile(source: string, variables: readonly string[], comparison: Comparison = 'loose'): Compiled {
  const { key, environment } = environmentFor(variables)
  const cacheKey = `${comparison}\n${key}\n${source}`
  const cached = cache.get(cacheKey)
  if (cached !== undefined) return cached
  const compiled = checkTypes(parse(source, environment, comparison), variables)
  // A tree with a loop keeps values of its last evaluation, and with them possibly megabytes of somebody's data.
  if (!compiled.ok || keepsValues(compiled.run.ast)) return compiled
  if (cache.size >= MAX_CACHED_EXPRESSIONS) cache.delete(cache.keys().next().value ?? '')
  cache.set(cacheKey, compiled)
  return compiled
}

function parse(source: string, environment: Environment, comparison: Comparison = 'loose'): Compiled {
  if (source.length > MAX_SOURCE_LENGTH) {
    const message = `The expression is longer than ${MAX_SOURCE_LENGTH} characters`
    return { ok: false, defect: { code: 'INVALID_EXPRESSION', message } }
  }
  try {
    const run = environment.parse(source)
    const refusal = guardTree(run.ast, comparison)
    if (refusal === undefined) return { ok: true, run }
    const { message, range } = refusal
    return { ok: false, defect: { code: 'INVALID_EXPRESSION', message, position: range } }
  } catch (error) {
    return { ok: false, defect: defectOf(error, []) }
  }
}

function checkTypes(parsed: Compiled, variables: readonly string[]): Compiled {
  if (!parsed.ok) return parsed
  const { valid, error } = parsed.run.check()
  return valid ? parsed : { ok: false, defect: defectOf(error, variables) }
}
