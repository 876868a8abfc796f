/**
 * Numbers in expressions that would lose digits without a word: whole numbers beyond 2^53, which a double rounds, and what
 * `double()` reads as no number at all.
 */
import { EvaluationError } from '@marcbachmann/cel-js'
import type { ASTNode } from '@marcbachmann/cel-js'
import { survives } from './exact-numbers.ts'

/** Division gives what is no whole number anyway. */
const KEEPS_WHOLE = new Set(['+', '-', '*'])

type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown

interface NodeInternals {
  meta: { evaluate: Evaluate }
  setMeta: (key: 'evaluate', value: Evaluate) => unknown
}

/** Changes the node in place. */
export function keepExact(node: ASTNode): void {
  const check = checkOf(node)
  if (!check) return
  const internals = node as unknown as NodeInternals
  const { evaluate } = internals.meta
  internals.setMeta('evaluate', (evaluator, self, context) => check(evaluate(evaluator, self, context)))
}

function checkOf(node: ASTNode): ((value: unknown) => unknown) | undefined {
  if (KEEPS_WHOLE.has(node.op)) return exactWhole
  return node.op === 'call' && node.args[0] === 'double' ? finite : undefined
}

function exactWhole(value: unknown): unknown {
  if (typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value)) return value
  throw new EvaluationError({
    code: 'not_exact',
    message: 'A calculation leaves the whole numbers that are exact (2^53)',
  })
}

function finite(value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  throw new EvaluationError({
    code: 'not_finite',
    message: `double() gives ${value}, which is no JSON number`,
  })
}

/** A decimal as the author wrote it. */
export function isInexactLiteral(node: ASTNode): boolean {
  if (node.op !== 'value' || typeof node.args !== 'number') return false
  return !survives(node.input?.slice(node.start, node.end) ?? '')
}
