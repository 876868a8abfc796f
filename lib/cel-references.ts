/** Which paths a parsed expression refers to, and how one walks over its tree. */
import type { ASTNode } from '@marcbachmann/cel-js'
import { isBuiltIn } from './cel-environment.ts'

export const LOOP_MACROS: ReadonlySet<string> = new Set(['map', 'filter', 'all', 'exists', 'exists_one'])

/** Each distinct static path, in the order of the text, without the variables of loops. */
export function collectReferences(root: ASTNode): string[][] {
  const found = new Map<string, string[]>()
  visitReferences(root, new Set(), (path) => found.set(JSON.stringify(path), path))
  return [...found.values()]
}

/** Static paths of which the expression asks whether they are there: in `has()`, and after `.?`. */
export function collectOptional(node: ASTNode): string[][] {
  const asked = node.op === 'call' && node.args[0] === 'has' ? node.args[1][0] : undefined
  const isOptional = node.op === '.?' || node.op === '[?]'
  const path = asked ? splitPath(asked) : isOptional ? splitPath(node) : undefined
  return [...(path ? [path.path] : []), ...childrenOf(node).flatMap(collectOptional)]
}

/** `steps.a.output[0]` as segments, up to the first one that is not written out. */
export function staticPathOf(node: ASTNode): string[] | undefined {
  return splitPath(node)?.path
}

function visitReferences(node: ASTNode, bound: ReadonlySet<string>, report: (path: string[]) => void): void {
  const split = splitPath(node)
  if (split !== undefined) {
    const root = split.path[0]
    if (root !== undefined && !bound.has(root) && !isBuiltIn(root)) report(split.path)
    for (const index of split.computed) visitReferences(index, bound, report)
    return
  }
  const variable = boundVariableOf(node)
  if (variable === undefined || node.op !== 'rcall') {
    for (const child of childrenOf(node)) visitReferences(child, bound, report)
    return
  }
  const [method, receiver, parameters] = node.args
  const inner = new Set([...bound, variable])
  visitReferences(receiver, bound, report)
  for (const [position, parameter] of parameters.entries()) {
    if (position === 0) continue
    visitReferences(parameter, method === 'bind' && position === 1 ? bound : inner, report)
  }
}

/** The variable that `list.map(x, …)` or `cel.bind(x, …)` introduces. */
function boundVariableOf(node: ASTNode): string | undefined {
  if (node.op !== 'rcall') return undefined
  const [method, receiver, parameters] = node.args
  const first = parameters[0]
  if (first?.op !== 'id' || parameters.length < 2) return undefined
  if (LOOP_MACROS.has(method)) return first.args
  return method === 'bind' && receiver.op === 'id' && receiver.args === 'cel' ? first.args : undefined
}

function splitPath(node: ASTNode): { path: string[]; open: boolean; computed: ASTNode[] } | undefined {
  if (node.op === 'id') return { path: [node.args], open: true, computed: [] }
  if (node.op !== '.' && node.op !== '.?' && node.op !== '[]' && node.op !== '[?]') return undefined
  const left = splitPath(node.args[0])
  if (left === undefined) return undefined
  const segment = segmentOf(node.args[1])
  if (typeof segment !== 'string') return { ...left, open: false, computed: [...left.computed, segment] }
  return left.open ? { ...left, path: [...left.path, segment] } : left
}

function segmentOf(index: string | ASTNode): string | ASTNode {
  if (typeof index === 'string') return index
  if (index.op !== 'value') return index
  return typeof index.args === 'string' || typeof index.args === 'bigint' ? String(index.args) : index
}

export function childrenOf(node: ASTNode): readonly ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return []
    case '.':
    case '.?':
      return [node.args[0]]
    case 'call':
      return node.args[1]
    case 'rcall':
      return [node.args[1], ...node.args[2]]
    case 'map':
      return node.args.flat()
    case '!_':
    case '-_':
      return [node.args]
    default:
      return node.args
  }
}
