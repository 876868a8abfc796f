/** What people hand to commands: manifests in files or folders, JSON in an argument, a file, or standard input. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMap } from 'yaml'
import { JsonObjectSchema } from '../schemas/common.ts'
import { parseExactJson, type ExactJson } from '../lib/exact-json.ts'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { excessOf } from '../lib/json-shape.ts'
import { MAX_VALUE_DEPTH } from '../lib/limits.ts'
import { pathParts } from '../lib/path-text.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { UsageError } from './errors.ts'
import { MalformedFile, nameOfFile, readText, STANDARD_INPUT, type Flaw } from './file-text.ts'
import { parseYaml, readYaml, type LineOf, type ParsedYaml } from './yaml.ts'

export interface ManifestSource {
  manifest: JsonObject
  /** `late-fee.yaml:12:5`, of a place in the manifest such as `spec.steps[1].if`, or of what is around it. */
  placeOf: (path: string) => string
}

const MAX_QUOTED = 80
const TEST_FILE = /\.test\.ya?ml$/i
const MANIFEST_FILE = /(?<!\.test)\.(ya?ml|json)$/i

export interface ReadSources {
  sources: ManifestSource[]
  flaws: Flaw[]
}

/**
 * Of a folder, its YAML and JSON files in the order of their names; tests of automations are none. A file that is not
 * YAML is one more thing that is wrong, and does not keep the others from being looked at.
 */
export function readManifests(paths: readonly string[]): ReadSources {
  const flaws: Flaw[] = []
  const sources = paths
    .flatMap((path) => filesOf(path, MANIFEST_FILE))
    .flatMap((path) => {
      try {
        const read = parseManifests(readText(path), nameOfFile(path))
        flaws.push(...read.flaws)
        return read.sources
      } catch (error) {
        if (!(error instanceof MalformedFile)) throw error
        flaws.push(...error.flaws)
        return []
      }
    })
  return { sources, flaws }
}

/** The checks count the manifests; people know their files. `path` is then one in the manifest. */
export function inItsFile(
  { path }: Pick<ProblemPlace, 'path'>,
  sources: readonly ManifestSource[],
): { place: string; path: string } | undefined {
  const [, index = '', rest = ''] = /^manifests\[(\d+)\]\.?(.*)$/.exec(path) ?? []
  const source = index === '' ? undefined : sources[Number(index)]
  return source && { place: source.placeOf(rest), path: rest }
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
  return onlyOne(parseYaml(readText(path), path), path)
}

/** The same, with flaws that do not hide the rest of it. */
export function lookAtYamlFile(path: string): YamlFile & { flaws: Flaw[] } {
  const { documents, flaws } = readYaml(readText(path), path)
  if (documents.length === 0 && flaws.length > 0) throw new MalformedFile(flaws)
  return { ...onlyOne(documents, path), flaws }
}

function onlyOne([first, second]: readonly ParsedYaml[], path: string): YamlFile {
  if (!first?.document.contents || second) {
    throw new MalformedFile([{ place: path, message: 'holds not one document.' }])
  }
  return { value: first.value, placeOf: (place) => first.lineOf(pathParts(place)) }
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

/** Throws UsageError. */
export function parseJson(text: string, what: string): JsonValue {
  if (excessOf(text, { depth: MAX_VALUE_DEPTH, parts: Number.POSITIVE_INFINITY }))
    throw new UsageError(`${what.slice(0, MAX_QUOTED)}: it is nested over ${MAX_VALUE_DEPTH} deep.`)
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
function parseManifests(text: string, name: string): ReadSources {
  const { documents, flaws } = readYaml(text, name)
  const sources = documents.flatMap(({ document, value: values, place, lineOf }) => {
    if (document.contents === null) return []
    const isList = !isMap(document.contents) && Array.isArray(values)
    const found = isList
      ? (values as unknown[]).map((value, index) => ({
          value,
          lineOf: (path: Parameters<LineOf>[0]) => lineOf([index, ...path]),
        }))
      : [{ value: values, lineOf }]
    // Of what is no JSON because of a flaw that is told, nothing more is said.
    return found
      .filter(({ value }) => flaws.length === 0 || ManifestLikeSchema.safeParse(value).success)
      .map((each) => toSource(each.value, place, each.lineOf))
  })
  if (sources.length + flaws.length === 0)
    throw new MalformedFile([{ place: name, message: 'holds no manifest.' }])
  return { sources, flaws }
}

const ManifestLikeSchema = JsonObjectSchema

function toSource(value: unknown, place: string, lineOf: LineOf): ManifestSource {
  const parsed = ManifestLikeSchema.safeParse(value)
  if (!parsed.success) {
    const hint = 'A manifest starts with `kind`, `name` and `spec`.'
    throw new MalformedFile([{ place, message: 'is not a manifest.', hint }])
  }
  return {
    manifest: parsed.data as JsonObject,
    placeOf: (path) => lineOf(pathParts(path)),
  }
}
