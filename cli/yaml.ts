/** YAML as people write it, with the place of everything; what would be another value than it looks like is refused. */
import {
  isAlias,
  isCollection,
  isNode,
  LineCounter,
  parseAllDocuments,
  visit,
  type Alias,
  type Document,
  type Node,
} from 'yaml'
import { inexactNodes, type InexactNode } from './exact-yaml.ts'
import { MalformedFile, type Flaw } from './file-text.ts'

export type LineOf = (path: readonly (string | number)[]) => string

export interface ParsedYaml {
  document: Document
  /** Undefined for a document without anything in it. */
  value: unknown
  /** `late-fee.yaml, document 2` */
  place: string
  lineOf: LineOf
}

type TextAt = (offset: number) => string

const MAX_FLAWS = 20
const WRITE_OUT = 'Write out what it stands for.'
/** What JSON has too. The name of everything else says that a program would make something else of the value. */
const PLAIN_TAG = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq|merge))$/

/** Throws MalformedFile. JSON is YAML too. */
export function parseYaml(text: string, name: string): ParsedYaml[] {
  const { documents, flaws } = readYaml(text, name)
  if (flaws.length > 0) throw new MalformedFile(flaws)
  return documents
}

export interface ReadYaml {
  documents: ParsedYaml[]
  flaws: Flaw[]
}

/** A document with values that are only not exact is there all the same: what else is wrong in it is to be told too. */
export function readYaml(text: string, name: string): ReadYaml {
  const lineCounter = new LineCounter()
  const textAt: TextAt = (offset) => {
    const { line, col } = lineCounter.linePos(offset)
    return `${name}:${line}:${col}`
  }
  const parsed = [
    ...parseAllDocuments(text, { lineCounter, prettyErrors: false, logLevel: 'error', merge: true }),
  ]
  const flaws = parsed.flatMap((document) => flawsOf(document, textAt))
  const isYaml = parsed.every(({ errors }) => errors.length === 0)
  const documents = parsed.flatMap((document, index): ParsedYaml[] => {
    if (!isYaml || strangeNodes(document).length > 0) return []
    const value = valueOf(document, textAt)
    if (value instanceof MalformedFile) {
      flaws.push(...value.flaws)
      return []
    }
    const place = parsed.length > 1 ? `${name}, document ${index + 1}` : name
    return [{ document, value, place, lineOf: (path) => textAt(offsetOf(document, path)) }]
  })
  return { documents, flaws: flaws.slice(0, MAX_FLAWS) }
}

/** Where the text itself is wrong, all that comes after may be wrong because of it. */
function flawsOf(document: Document, textAt: TextAt): Flaw[] {
  const [error] = document.errors
  if (error !== undefined)
    return [{ place: textAt(error.pos[0]), message: saidOf(error.message), hint: undefined }]
  const found = [...strangeNodes(document), ...inexactNodes(document)]
  return found
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, message, hint }) => ({ place: textAt(offset), message: `${message}.`, hint }))
}

/** The parser calls itself for what stands inside, and then says that the stack is full. */
function saidOf(error: string): string {
  return error.includes('call stack') ? 'is nested too deep.' : `is not YAML: ${error}`
}

function strangeNodes(document: Document): InexactNode[] {
  const found: InexactNode[] = document.warnings
    .filter(({ code }) => code === 'TAG_RESOLVE_FAILED')
    .map(({ pos, message }) => {
      const tag = message.replace(/^Unresolved tag: /, '')
      return { offset: pos[0], message: `the tag ${tag} means nothing here`, hint: WRITE_OUT }
    })
  visit(document, (key, node, path) => {
    if (isAlias(node)) found.push(...aliasFlaws(node, document, path))
    if (key === 'key' && isCollection(node)) {
      const hint = 'Put it in quotes if it is a text.'
      found.push({ offset: offsetIn(node), message: 'a name must be a text, not a list or an object', hint })
    }
    const tag = isNode(node) && !isAlias(node) ? node.tag : undefined
    if (tag?.startsWith('tag:') && !PLAIN_TAG.test(tag)) {
      const short = tag.replace('tag:yaml.org,2002:', '!!')
      found.push({
        offset: offsetIn(node),
        message: `the tag ${short} gives a value that JSON does not have`,
        hint: 'Write a text.',
      })
    }
  })
  return found
}

function aliasFlaws(alias: Alias, document: Document, around: readonly unknown[]): InexactNode[] {
  const offset = offsetIn(alias)
  const target = alias.resolve(document)
  if (target === undefined) {
    const hint = `Write \`&${alias.source}\` before it, or put the text in quotes if it begins with a star.`
    return [{ offset, message: `the alias *${alias.source} names nothing that stands before it`, hint }]
  }
  if (!around.includes(target)) return []
  return [{ offset, message: `the alias *${alias.source} stands inside of what it names`, hint: WRITE_OUT }]
}

/** Or what is wrong: the parser bounds what aliases of aliases may grow to, and says of a merge that it takes objects only. */
function valueOf(document: Document, textAt: TextAt): unknown {
  if (document.contents === null) return undefined
  try {
    return document.toJS()
  } catch (error) {
    const message = `its aliases cannot be written out: ${error instanceof Error ? error.message : String(error)}`
    const place = textAt(firstAlias(document))
    return new MalformedFile([{ place, message: `${message}.`, hint: WRITE_OUT }])
  }
}

function firstAlias(document: Document): number {
  let offset = document.contents?.range?.[0] ?? 0
  visit(document, {
    Alias: (_key, node) => {
      offset = offsetIn(node)
      return visit.BREAK
    },
  })
  return offset
}

function offsetIn(node: unknown): number {
  return (node as Node).range?.[0] ?? 0
}

/** Of the innermost node on the way. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}
