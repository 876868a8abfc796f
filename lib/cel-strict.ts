/**
 * Strict comparison, for policies: `==`, `!=` and `in` between values of different kinds have no answer. In CEL they are
 * false, so that `patch.level == 9` would let `"9"` pass, and who writes the value may choose its spelling. Null may be
 * compared with everything, for that is how one asks whether something is there.
 */
import { EvaluationError } from '@marcbachmann/cel-js'
import type { ASTNode } from '@marcbachmann/cel-js'
import { operate } from './cel-time.ts'

interface Evaluator {
  run: (node: unknown, context: unknown) => unknown
}

/** What the library's check leaves on a node with two operands. */
interface CheckedNode {
  left: unknown
  right: unknown
  handle: (left: unknown, right: unknown, node: unknown, evaluator: Evaluator) => unknown
}

interface NodeInternals {
  setMeta: (
    key: 'evaluate',
    value: (evaluator: Evaluator, node: CheckedNode, context: unknown) => unknown,
  ) => unknown
}

/** Changes the node in place; its operands are evaluated once, as before. */
export function compareStrictly(node: ASTNode): void {
  const { op } = node
  if (op !== '==' && op !== '!=' && op !== 'in') return
  const assertFit = op === 'in' ? assertFitsIn : assertFits
  ;(node as unknown as NodeInternals).setMeta('evaluate', (evaluator, self, context) => {
    const left = evaluator.run(self.left, context)
    const right = evaluator.run(self.right, context)
    const result = operate(op, left, right, () => self.handle(left, right, self, evaluator))
    // What was found is there, whatever stands beside it.
    if (op !== 'in' || result !== true) assertFit(left, right)
    return result
  })
}

function assertFitsIn(item: unknown, container: unknown): void {
  if (item === null || container === null || typeof container !== 'object') return
  for (const other of itemsOf(container)) assertFits(item, other)
}

/** Of a map `in` looks at the names. */
function itemsOf(container: object): Iterable<unknown> {
  if (Array.isArray(container) || container instanceof Set) return container
  return container instanceof Map ? container.keys() : Object.keys(container)
}

function assertFits(left: unknown, right: unknown): void {
  if (left === null || right === null) return
  const kinds = [kindOf(left), kindOf(right)] as const
  if (kinds[0] !== kinds[1]) {
    const message = `${kinds[0]} and ${kinds[1]} cannot be compared here`
    throw new EvaluationError({ code: 'different_kinds', message })
  }
  if (Array.isArray(left) && Array.isArray(right)) assertItemsFit(left, right)
  else if (kinds[0] === 'a map') assertFieldsFit(left as object, right as object)
}

function assertItemsFit(left: readonly unknown[], right: readonly unknown[]): void {
  for (const [index, item] of left.entries()) if (index < right.length) assertFits(item, right[index])
}

function assertFieldsFit(left: object, right: object): void {
  const others = fieldsOf(right)
  for (const [name, item] of fieldsOf(left)) if (others.has(name)) assertFits(item, others.get(name))
}

function fieldsOf(map: object): Map<unknown, unknown> {
  return map instanceof Map ? map : new Map(Object.entries(map))
}

function kindOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 'a text'
    case 'boolean':
      return 'a boolean'
    case 'number':
    case 'bigint':
      return 'a number'
    case 'object':
      return kindOfObject(value as object)
    default:
      return typeof value
  }
}

function kindOfObject(value: object): string {
  if (Array.isArray(value) || value instanceof Set) return 'a list'
  if (value instanceof Date) return 'a time'
  if (typeof value.valueOf() === 'bigint') return 'a number'
  const name = Object.prototype.toString.call(value)
  return name === '[object Object]' || name === '[object Map]' ? 'a map' : name
}
