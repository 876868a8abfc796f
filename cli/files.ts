/** What people hand to commands: manifests in files or folders, JSON in an argument, a file, or standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMap, LineCounter, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import type { JsonObject, JsonValue } from '../lib/json.ts'
import { UsageError } from './errors.ts'

export interface ManifestSource {
  manifest: JsonObject
  /** Where it was found, for people: `late-fee.yaml, document 2 (Automation late-fee)`. */
  label: string
}

const STANDARD_INPUT = '-'
const MANIFEST_FILE = /\.(ya?ml|json)$/i

/** Of a folder, its YAML and JSON files in the order of their names. */
export function readManifests(paths: readonly string[]): ManifestSource[] {
  return paths.flatMap(filesOf).flatMap((path) => {
    const name = path === STANDARD_INPUT ? 'standard input' : path
    return parseManifests(readText(path), name)
  })
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

function filesOf(path: string): string[] {
  if (path === STANDARD_INPUT) return [path]
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isDirectory()) return [path]
  const names = readdirSync(path).filter((name) => MANIFEST_FILE.test(name))
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
  try {
    return JSON.parse(text) as JsonValue
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${what} is not JSON: ${reason}`)
  }
}

/** JSON is YAML too. */
function parseManifests(text: string, name: string): ManifestSource[] {
  const lineCounter = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false })
  const sources = [...documents].flatMap((document, index) => {
    const [error] = document.errors
    if (error !== undefined) {
      const { line, col } = lineCounter.linePos(error.pos[0])
      throw new UsageError(`${name}:${line}:${col}: ${error.message}`)
    }
    if (document.contents === null) return []
    const place = documents.length > 1 ? `${name}, document ${index + 1}` : name
    const values: unknown = document.toJS()
    const isList = !isMap(document.contents) && Array.isArray(values)
    return (isList ? (values as unknown[]) : [values]).map((value) => toSource(value, place))
  })
  if (sources.length === 0) throw new UsageError(`${name} holds no manifest.`)
  return sources
}

const ManifestLikeSchema = z.record(z.string(), z.json())

function toSource(value: unknown, place: string): ManifestSource {
  const parsed = ManifestLikeSchema.safeParse(value)
  if (!parsed.success) {
    throw new UsageError(`${place} is not a manifest.`, 'A manifest starts with `kind`, `name` and `spec`.')
  }
  const { kind, name } = parsed.data
  const known = typeof kind === 'string' && typeof name === 'string' ? ` (${kind} ${name})` : ''
  return { manifest: parsed.data as JsonObject, label: `${place}${known}` }
}
