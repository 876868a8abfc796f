/** What people hand to commands: manifests in files or folders, JSON in an argument, a file, or standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMap, isNode, LineCounter, parseAllDocuments, type Document } from 'yaml'
import { JsonObjectSchema } from '../schemas/common.ts'
import { parseExactJson, type ExactJson } from '../lib/exact-json.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { pathParts } from '../lib/path-text.ts'
import { UsageError } from './errors.ts'
import { inexactNodes } from './exact-yaml.ts'

export interface ManifestSource {
  manifest: JsonObject
  /** Where it was found, for people: `late-fee.yaml, document 2 (Automation late-fee)`. */
  label: string
  /** `late-fee.yaml:12:5`, of a place in the manifest such as `spec.steps[1].if`, or of what is around it. */
  placeOf: (path: string) => string
}

/** A file that can be read, and is not what it should be. */
export class MalformedFile extends UsageError {
  /** `late-fee.yaml:12:5`, or the name alone. */
  readonly place: string
  readonly reason: string

  constructor(place: string, reason: string, hint?: string) {
    super(`${place}: ${reason}`, hint)
    this.name = 'MalformedFile'
    this.place = place
    this.reason = reason
  }
}

const TEST_FILE = /\.test\.ya?ml$/i
const STANDARD_INPUT = '-'
const MANIFEST_FILE = /(?<!\.test)\.(ya?ml|json)$/i

/** Of a folder, its YAML and JSON files in the order of their names; tests of automations are none. */
export function readManifests(paths: readonly string[]): ManifestSource[] {
  return manifestFiles(paths).flatMap(readManifestFile)
}

export function manifestFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => filesOf(path, MANIFEST_FILE))
}

/** Throws MalformedFile. */
export function readManifestFile(path: string): ManifestSource[] {
  return parseManifests(readText(path), path === STANDARD_INPUT ? 'standard input' : path)
}

/** Tests of automations: files as they are, and of folders all below them. */
export function testFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path]
    return readdirSync(path, { recursive: true, encoding: 'utf8' })
      .filter((name) => TEST_FILE.test(name) && !/(^|[\\/])(node_modules|\.[^\\/]+)[\\/]/.test(name))
      .sort()
      .map((name) => join(path, name))
  })
}

export interface YamlFile {
  value: unknown
  /** As that of a manifest. */
  placeOf: (path: string) => string
}

/** A file with one document. Throws MalformedFile. */
export function readYamlFile(path: string): YamlFile {
  const [first, second] = parseYaml(readText(path), path)
  if (!first?.document.contents || second) throw new MalformedFile(path, 'holds not one document.')
  return { value: first.document.toJS(), placeOf: (place) => first.lineOf(pathParts(place)) }
}

/** Text, or the content of the file behind `@` (`@-`: standard input). */
export function readJsonArgument(argument: string): JsonValue {
  const isFile = argument.startsWith('@')
  const text = isFile ? readText(argument.slice(1)) : argument
  return parseJson(text, isFile ? argument.slice(1) : argument)
}

export function readJsonFile(path: string): unknown {
  return parseJson(readText(path), path)
}

function filesOf(path: string, wanted: RegExp): string[] {
  if (path === STANDARD_INPUT) return [path]
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isDirectory()) return [path]
  const names = readdirSync(path).filter((name) => wanted.test(name))
  if (names.length === 0) throw new UsageError(`${path} has no .yaml, .yml or .json file.`)
  return names.sort().map((name) => join(path, name))
}

function readText(path: string): string {
  try {
    return readFileSync(path === STANDARD_INPUT ? 0 : path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function parseJson(text: string, what: string): JsonValue {
  const { value, places } = parsedJson(text, what)
  const told = places.map(({ path, message }) => `${path === '' ? 'it' : path} ${message}`)
  if (places.length > 0) throw new UsageError(`${what}: ${told.join('; ')}.`, places[0]?.hint)
  return value
}

function parsedJson(text: string, what: string): ExactJson {
  try {
    return parseExactJson(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${what} is not JSON: ${reason}`)
  }
}

/** JSON is YAML too. */
function parseManifests(text: string, name: string): ManifestSource[] {
  const sources = parseYaml(text, name).flatMap(({ document, place, lineOf }) => {
    if (document.contents === null) return []
    const values: unknown = document.toJS()
    if (isMap(document.contents) || !Array.isArray(values)) return [toSource(values, place, lineOf)]
    return (values as unknown[]).map((value, index) =>
      toSource(value, place, (path) => lineOf([index, ...path])),
    )
  })
  if (sources.length === 0) throw new MalformedFile(name, 'holds no manifest.')
  return sources
}

type LineOf = (path: readonly (string | number)[]) => string

interface ParsedYaml {
  document: Document
  /** `late-fee.yaml, document 2` */
  place: string
  lineOf: LineOf
}

/** Throws MalformedFile. */
function parseYaml(text: string, name: string): ParsedYaml[] {
  const lineCounter = new LineCounter()
  const textAt = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset)
    return `${name}:${line}:${col}`
  }
  const documents = [...parseAllDocuments(text, { lineCounter, prettyErrors: false })]
  return documents.map((document, index) => {
    const [error] = document.errors
    if (error !== undefined) throw new MalformedFile(textAt(error.pos[0]), `is not YAML: ${error.message}`)
    const [inexact] = inexactNodes(document)
    if (inexact) throw new MalformedFile(textAt(inexact.offset), `${inexact.message}.`, inexact.hint)
    const place = documents.length > 1 ? `${name}, document ${index + 1}` : name
    return { document, place, lineOf: (path) => textAt(offsetOf(document, path)) }
  })
}

/** Of the innermost node on the way. */
function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let length = path.length; length > 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}

const ManifestLikeSchema = JsonObjectSchema

function toSource(value: unknown, place: string, lineOf: LineOf): ManifestSource {
  const parsed = ManifestLikeSchema.safeParse(value)
  if (!parsed.success) {
    throw new MalformedFile(place, 'is not a manifest.', 'A manifest starts with `kind`, `name` and `spec`.')
  }
  const { kind, name } = parsed.data
  const known = typeof kind === 'string' && typeof name === 'string' ? ` (${kind} ${name})` : ''
  return {
    manifest: parsed.data as JsonObject,
    label: `${place}${known}`,
    placeOf: (path) => lineOf(pathParts(path)),
  }
}
