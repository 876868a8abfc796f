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
import type { Flaw } from './file-text.ts'

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

export interface ReadYaml {
  /** Also those with flaws that do not keep anybody from looking at the rest of them. */
  documents: ParsedYaml[]
  flaws: Flaw[]
}

/** JSON is YAML too. */
export function readYaml(text: string, name: string): ReadYaml {
  const lineCounter = new LineCounter()
  const textAt: TextAt = (offset) => {
    const { line, col } = lineCounter.linePos(offset)
    return `${name}:${line}:${col}`
  }
  const documents = [
    ...parseAllDocuments(text, { lineCounter, prettyErrors: false, logLevel: 'error', merge: true }),
  ]
  const flaws: Flaw[] = []
  const read = documents.flatMap((document, index) => {
    const looked = lookAt(document, textAt)
    flaws.push(...looked.flaws)
    if (looked.value === UNREADABLE) return []
    return {
      document,
      value: looked.value,
      place: documents.length > 1 ? `${name}, document ${index + 1}` : name,
      lineOf: (path: readonly (string | number)[]) => textAt(offsetOf(document, path)),
    }
  })
  return { documents: read, flaws: flaws.slice(0, MAX_FLAWS) }
}

const UNREADABLE = Symbol('nobody can say what it means')

/** Where the text itself is wrong, all that comes after may be wrong because of it. */
function lookAt(document: Document, textAt: TextAt): { flaws: Flaw[]; value: unknown } {
  const [error] = document.errors
  if (error !== undefined) {
    const what = error.message.includes('call stack')
      ? 'is nested too deep.'
      : `is not YAML: ${error.message}`
    return { flaws: [{ place: textAt(error.pos[0]), message: what, hint: undefined }], value: UNREADABLE }
  }
  const strange = strangeNodes(document)
  const flaws = [...unknownTags(document), ...strange, ...inexactNodes(document)]
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, message, hint }) => ({ place: textAt(offset), message: `${message}.`, hint }))
  if (strange.length > 0) return { flaws, value: UNREADABLE }
  try {
    return { flaws, value: valueOf(document) }
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown)
    const message = `its aliases cannot be written out: ${why}.`
    flaws.push({ place: textAt(firstAlias(document)), message, hint: WRITE_OUT })
    return { flaws, value: UNREADABLE }
  }
}

/** What is under them has a value without them. */
function unknownTags(document: Document): InexactNode[] {
  return document.warnings
    .filter(({ code }) => code === 'TAG_RESOLVE_FAILED')
    .map(({ pos, message }) => {
      const tag = message.replace(/^Unresolved tag: /, '')
      return { offset: pos[0], message: `the tag ${tag} means nothing here`, hint: WRITE_OUT }
    })
}

function strangeNodes(document: Document): InexactNode[] {
  const found: InexactNode[] = []
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

/**
 * The parser bounds what aliases of aliases may grow to, and says of a merge that it takes objects only. A number that is
 * none has been told as that, and is one for whoever looks further.
 */
function valueOf(document: Document): unknown {
  if (document.contents === null) return undefined
  const reviver = (_key: unknown, value: unknown): unknown =>
    typeof value === 'number' && !Number.isFinite(value) ? Number.MAX_VALUE : value
  return document.toJS({ reviver })
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
