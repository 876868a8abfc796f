/**
 * What of a connection belongs to a write through it, for its digest: where it goes, under which headers and names of
 * credentials, with which key, and what may be done when its answer is lost. Everything that the manifest says is in,
 * but for what is listed here with its reason: so a setting that is added later is in by itself, and an approval that
 * was given before a change does not pass after it. Pure.
 */
import type { ConnectionSpec } from '../schemas/manifests.ts'
import { canonicalJson } from './canonical-json.ts'
import { isJsonObject, type JsonObject, type JsonValue } from './json.ts'

const LEFT_OUT: readonly string[] = [
  // How long an answer is waited for changes nothing of what is sent; an attempt is settled by the time that it had.
  'timeout',
]

/** By name: of these the settings of other tools and other tables say nothing about the write. */
const BY_NAME: readonly string[] = ['tools', 'tables']

/** `named`: the tools or the table that the write has to do with. Templates stay as they are written: no secret is in it. */
export function writeSettings(spec: ConnectionSpec, named: readonly string[]): JsonObject {
  const settings = Object.entries(spec as unknown as JsonObject).filter(
    ([field]) => !LEFT_OUT.includes(field),
  )
  return Object.fromEntries(
    settings.map(([field, value]) => [field, BY_NAME.includes(field) ? only(value, named) : value]),
  )
}

function only(value: JsonValue, named: readonly string[]): JsonValue {
  return Object.fromEntries(Object.entries(value as JsonObject).filter(([name]) => named.includes(name)))
}

/** Where two of them differ, such as `headers.x-tenant`. No values: somebody may have written a secret there. */
export function changedSettings(before: JsonValue, now: JsonValue, path = ''): string[] {
  if (canonicalJson(before) === canonicalJson(now)) return []
  if (!isJsonObject(before) || !isJsonObject(now)) return [path]
  const fields = [...new Set([...Object.keys(before), ...Object.keys(now)])]
  return fields.flatMap((field) =>
    changedSettings(before[field] ?? null, now[field] ?? null, path === '' ? field : `${path}.${field}`),
  )
}
