/**
 * What we do to a parsed expression before it runs: refuse what depends on the machine or can explode, put our
 * functions in the place of the library's, and bound the work.
 *
 * Uses the tree of cel-js beyond its types (`meta`, `setMeta`): the version is pinned, and the golden file covers it.
 */
import { EvaluationError, parse } from '@marcbachmann/cel-js'
import type { ASTNode, SourceRange } from '@marcbachmann/cel-js'
import { childrenOf, LOOP_MACROS } from './cel-references.ts'
import { isInexactLiteral, keepExact } from './cel-exact.ts'
import { compareStrictly } from './cel-strict.ts'
import { REPLACED_FUNCTIONS, REPLACED_METHODS } from './cel-environment.ts'
import { isWhole } from './cel-text.ts'
import { operate } from './cel-time.ts'
import { payCall, payLoop, payNode, payOperator } from './cel-work.ts'

/** Steps of all loops of one evaluation: far above any list in a run, far below a second of CPU. */
const MAX_ITERATIONS = 100_000
const MAX_LIST_LENGTH = 100_000
const MAX_TEXT_LENGTH = 4 * 1024 * 1024

const ARITHMETIC = new Set(['+', '-', '*', '/', '%'])
const BINARY = new Set([...ARITHMETIC, '==', '!=', 'in', '<', '<=', '>', '>='])
const TIME_GETTERS = new Set([
  'getDate',
  'getDayOfMonth',
  'getDayOfWeek',
  'getDayOfYear',
  'getFullYear',
  'getHours',
  'getMilliseconds',
  'getMinutes',
  'getMonth',
  'getSeconds',
])

interface NodeInternals {
  meta: {
    alternate?: Loop
    evaluate: Evaluate
  }
  setMeta: (key: 'evaluate', value: Evaluate) => unknown
}

/** What the library puts in the place of `list.map(…)` and the like. */
interface Loop extends Pick<NodeInternals, 'setMeta'> {
  args: { iterable: ASTNode; condition?: (accumulated: unknown) => boolean }
}

type Evaluate = (evaluator: Evaluator, node: CheckedNode, context: unknown) => unknown

interface Evaluator {
  run: (node: ASTNode, context: unknown) => unknown
}

/** As the library's check of types leaves it. */
interface CheckedNode {
  left: ASTNode
  right: ASTNode
  handle: (...parts: unknown[]) => unknown
}

export interface Refusal {
  message: string
  range: SourceRange
}

/** How `==`, `!=` and `in` take values of different kinds. */
export type Comparison = 'loose' | 'strict'

let iterationsLeft = 0

/** Evaluation is synchronous, so one counter serves whoever evaluates now. */
export function resetIterations(): void {
  iterationsLeft = MAX_ITERATIONS
}

/** Changes the tree in place; answers with the first thing that is not allowed, if there is one. */
export function guardTree(node: ASTNode, comparison: Comparison): Refusal | undefined {
  const message = refusalOf(node)
  if (message !== undefined) return { message, range: node.range }
  replaceCalls(node)
  looseBranches(node)
  boundWork(node)
  keepExact(node)
  if (comparison === 'strict') compareStrictly(node)
  for (const child of childrenOf(node)) {
    const refusal = guardTree(child, comparison)
    if (refusal !== undefined) return refusal
  }
  return undefined
}

/** True if the library keeps values of the last evaluation on the tree, as it does for loops and `cel.bind`. */
export function keepsValues(node: ASTNode): boolean {
  if (node.op === 'rcall' && (LOOP_MACROS.has(node.args[0]) || node.args[0] === 'bind')) return true
  return childrenOf(node).some(keepsValues)
}

function refusalOf(node: ASTNode): string | undefined {
  if (isInexactLiteral(node)) return 'The number cannot be kept exactly; write fewer digits, or a text'
  if (node.op === 'value' && node.args instanceof Uint8Array) return 'Bytes are not available; use text'
  if (node.op === 'call' && node.args[0] === 'bytes') return 'bytes() is not available; use text'
  if (node.op === 'value' && typeof node.args === 'string' && !isWhole(node.args))
    return 'The text holds half of a character'
  if (node.op !== 'rcall') return undefined
  const [method, , parameters] = node.args
  if (method === 'matches') {
    return 'matches() is not available; use contains(), startsWith(), endsWith() or =='
  }
  if (TIME_GETTERS.has(method) && parameters.length === 1 && !isUtc(parameters[0])) {
    return `Times are read in UTC only; write ${method}() without a time zone`
  }
  return undefined
}

function isUtc(node: ASTNode | undefined): boolean {
  return node?.op === 'value' && node.args === 'UTC'
}

function replaceCalls(node: ASTNode): void {
  if (node.op === 'call') {
    node.args[0] = REPLACED_FUNCTIONS.get(node.args[0]) ?? node.args[0]
  }
  if (node.op === 'rcall') {
    if (TIME_GETTERS.has(node.args[0])) node.args[2] = []
    node.args[0] = REPLACED_METHODS.get(node.args[0]) ?? node.args[0]
  }
}

/** Both branches become `dyn`, so that `a ? 1 : 2.5` and `a ? "x" : null` are as legal as they are in JSON. */
function looseBranches(node: ASTNode): void {
  if (node.op !== '?:') return
  node.args[1] = asDynamic(node.args[1])
  node.args[2] = asDynamic(node.args[2])
}

function asDynamic(node: ASTNode): ASTNode {
  const call = parse('dyn(null)').ast
  if (call.op === 'call') call.args[1] = [node]
  return call
}

function boundWork(node: ASTNode): void {
  if (node.op === 'value') return
  const internals = node as unknown as NodeInternals
  const loop = node.op === 'rcall' && LOOP_MACROS.has(node.args[0]) ? internals.meta.alternate : undefined
  if (node.op === 'rcall' && loop !== undefined) {
    const goOn = loop.args.condition
    loop.args.condition = (accumulated) => {
      countIteration()
      return goOn === undefined || goOn(accumulated)
    }
    loop.setMeta('evaluate', (evaluator, self, context) => {
      const items = evaluator.run(loop.args.iterable, context)
      payLoop(items)
      return self.handle(items, loop.args, evaluator, context)
    })
    return
  }
  internals.setMeta('evaluate', payingEvaluation(node, internals.meta.evaluate))
}

/** The same, and pays before anything looks at the values. */
function payingEvaluation(node: ASTNode, evaluate: Evaluate): Evaluate {
  const { op } = node
  if (node.op === 'call' || node.op === 'rcall') {
    const [name] = node.args
    const parts = childrenOf(node)
    return (evaluator, self, context) => {
      const values = parts.map((part) => evaluator.run(part, context))
      payCall(name, values)
      return node.op === 'call' ? self.handle(values, self, evaluator) : self.handle(values, evaluator, self)
    }
  }
  if (BINARY.has(op)) {
    return (evaluator, self, context) => {
      payNode()
      const left = evaluator.run(self.left, context)
      const right = evaluator.run(self.right, context)
      payOperator(op, left, right)
      const value = operate(op, left, right, () => self.handle(left, right, self, evaluator))
      return ARITHMETIC.has(op) ? boundedResult(value) : value
    }
  }
  if (op === 'map') return payingMap(node.args)
  return (evaluator, self, context) => {
    payNode()
    return evaluate(evaluator, self, context)
  }
}

/** The library leaves out the keys `__proto__`, `constructor` and `prototype`, which are data like any other. */
function payingMap(entries: readonly [ASTNode, ASTNode][]): Evaluate {
  return (evaluator, _self, context) => {
    payNode()
    return Object.fromEntries(
      entries.map(([key, value]) => [
        evaluator.run(key, context) as PropertyKey,
        evaluator.run(value, context),
      ]),
    )
  }
}

function countIteration(): void {
  payNode()
  iterationsLeft -= 1
  if (iterationsLeft >= 0) return
  throw new EvaluationError({
    code: 'too_many_iterations',
    message: `The loops of the expression take more than ${MAX_ITERATIONS} steps`,
  })
}

function boundedResult(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new EvaluationError({
      code: 'not_finite',
      message: 'A calculation has no finite result (a division by zero?)',
    })
  }
  const tooLarge =
    typeof value === 'string'
      ? value.length > MAX_TEXT_LENGTH
      : Array.isArray(value) && value.length > MAX_LIST_LENGTH
  if (!tooLarge) return value
  throw new EvaluationError({ code: 'value_too_large', message: 'A sum of texts or lists is too long' })
}
