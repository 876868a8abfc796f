/** What of a YAML document would be another value in JSON: numbers that a double cannot keep, and names that fall together. */
import { isMap, isScalar, visit, type Document, type Scalar, type YAMLMap } from 'yaml'
import { NOT_EXACT, survives, WRITE_AS_TEXT } from '../lib/exact-numbers.ts'

export interface InexactNode {
  offset: number
  message: string
  hint: string
}

/** In the order of the text. The parser itself refuses names that are the same in YAML. */
export function inexactNodes(document: Document): InexactNode[] {
  const found: InexactNode[] = []
  visit(document, (_key, node) => {
    if (isMap(node)) found.push(...doubleNames(node))
    if (isScalar(node) && !isExact(node)) found.push(at(node, NOT_EXACT, WRITE_AS_TEXT))
  })
  return found
}

function isExact({ value, source = '' }: Scalar): boolean {
  if (typeof value !== 'number') return true
  if (/^0[xo]/.test(source)) return Number.isSafeInteger(value)
  return survives(source)
}

/** `1` and `'1'` are two names in YAML, and one in JSON. */
function doubleNames(map: YAMLMap): InexactNode[] {
  const seen = new Set<string>()
  return map.items.flatMap(({ key }) => {
    if (!isScalar(key)) return []
    const name = String(key.value)
    const isSecond = seen.has(name)
    seen.add(name)
    return isSecond ? [at(key, `the name ${name} stands here twice`, 'Keep one of the two.')] : []
  })
}

function at({ range }: Scalar, message: string, hint: string): InexactNode {
  return { offset: range?.[0] ?? 0, message, hint }
}
