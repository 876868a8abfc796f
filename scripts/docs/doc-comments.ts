/**
 * What the comments in our schemas say of each field: `/** … *\/` before a property, found by the name of the constant
 * and the path in it. The comment is the one place where the meaning of a field is written.
 */
import { readFileSync } from 'node:fs'

interface Node {
  comment: string
  /** Other constants that the value names: `ToolSettingsSchema`, `...step`. */
  names: string[]
  properties: Map<string, Node>
}

const TOKEN =
  /\/\*\*([\s\S]*?)\*\/|\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`|(?<=[(,=:]\s*)\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n[])+\/[a-z]*|[A-Za-z_$][\w$]*|[{}()[\]:,.=;]|\n/g

export type DocComments = (constant: string, path: readonly string[]) => string

/** Of several files, whose constants name each other. */
export function readDocComments(files: readonly string[]): DocComments {
  const constants = new Map<string, Node>()
  for (const file of files) {
    for (const [name, node] of constantsOf(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'))) {
      constants.set(name, node)
    }
  }
  return (constant, path) => find(constants, constants.get(constant), path)?.comment ?? ''
}

function find(
  constants: ReadonlyMap<string, Node>,
  node: Node | undefined,
  path: readonly string[],
): Node | undefined {
  const [head, ...rest] = path
  if (node === undefined || head === undefined) return node
  const own = node.properties.get(head)
  if (own !== undefined) return find(constants, own, rest)
  for (const name of node.names) {
    const found = find(constants, constants.get(name), path)
    if (found !== undefined) return found
  }
  return undefined
}

/** Only what starts at the first column: `const X = …`, `export const X = …`. */
function constantsOf(source: string): Map<string, Node> {
  const found = new Map<string, Node>()
  const pattern = /^(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?(?:export )?const (\w+)[^=\n]*= ?/gm
  const starts = [...source.matchAll(pattern)]
  for (const start of starts) {
    const from = start.index + start[0].length
    const end = source.slice(from).search(/^(?:export |const |type |interface |function |\/\*\*)/m)
    const body = end < 0 ? source.slice(from) : source.slice(from, from + end)
    const [, comment = '', name = ''] = start
    found.set(name, parseValue(body, textOf(comment)))
  }
  return found
}

/** A value's own braces nest; everything else of the code is passed over. */
function parseValue(body: string, comment: string): Node {
  const root: Node = { comment, names: [], properties: new Map() }
  const open: Node[] = [root]
  /** How many braces each open property stands in. */
  const depths = [0]
  let depth = 0
  let pending = ''
  let word = ''
  for (const [token, docs] of body.matchAll(TOKEN)) {
    const node = open.at(-1) ?? root
    if (docs !== undefined) pending = textOf(docs)
    else if (token === '{' || token === '(' || token === '[') depth += 1
    else if (token === '}' || token === ')' || token === ']') {
      depth -= 1
      while (open.length > 1 && depth < (depths.at(-1) ?? 0)) void [open.pop(), depths.pop()]
    } else if (token === ',' && open.length > 1 && depth === depths.at(-1)) void [open.pop(), depths.pop()]
    else if (token === ':' && word !== '') {
      const property: Node = { comment: pending, names: [], properties: new Map() }
      node.names = node.names.filter((name) => name !== word)
      node.properties.set(word, property)
      open.push(property)
      depths.push(depth)
      pending = ''
    } else if (/^[A-Za-z_$]/.test(token)) node.names.push(token)
    word = /^[A-Za-z_$][\w$]*$/.test(token) ? token : ''
  }
  return root
}

function textOf(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trim())
    .join(' ')
    .trim()
}
