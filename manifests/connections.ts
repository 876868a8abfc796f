/** A connection by itself: what its expressions name exists. Its server is asked when an automation calls a tool. */
import type { JsonObject } from '../lib/json.ts'
import { readDatabaseAddress } from '../lib/database-address.ts'
import { headersTooLarge } from '../lib/header-bounds.ts'
import { fillSecrets, isOneSecret } from '../lib/secret-references.ts'
import type { McpConnectionSpec, PostgresConnectionSpec } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { pathText } from '../lib/path-text.ts'
import type { Document } from './document.ts'
import { CHECK_RESULT_SCOPE, CHECK_SCOPE, templatePlaces } from './expressions.ts'
import { typedExpressionPlaces } from './kinds.ts'
import { isLiteralSecret } from './literal-secrets.ts'

export function connectionPlaces({ path, manifest }: Document<'Connection'>): ProblemPlace[] {
  const { spec } = manifest
  if (spec.type === 'postgres') return databasePlaces(`${path}.spec`, spec)
  const http =
    spec.transport === 'http'
      ? [...urlPlaces(`${path}.spec.url`, spec.url), ...headerPlaces(`${path}.spec.headers`, spec.headers)]
      : []
  return [...http, ...checkPlaces(path, spec)]
}

/** What stands in an address is in histories and receipts. */
function urlPlaces(path: string, url: string): ProblemPlace[] {
  const { username, password } = new URL(url)
  if (username === '' && password === '') return []
  return [
    wrong(path, 'may hold no credentials: send them in `headers`, as `Bearer ${secret:NAME}` or the like'),
  ]
}

function headerPlaces(path: string, headers: Readonly<Record<string, string>>): ProblemPlace[] {
  const tooLarge = headersTooLarge(headers)
  if (tooLarge !== null)
    return [{ ...wrong(path, tooLarge), hint: 'Leave out what the server does not need.' }]
  return Object.entries(headers)
    .filter(([name, value]) => isLiteralSecret(name, value))
    .map(([name]) => ({
      ...wrong(pathText(path, [name]), 'may hold no secret: whoever may read connections would have it'),
      hint: 'Set it as a secret of the worker, and write `${secret:NAME}` in its place.',
    }))
}

/** As far as the manifest itself says it; what comes from secrets is looked at when they are filled in. */
function databasePlaces(path: string, { url, tls }: PostgresConnectionSpec): ProblemPlace[] {
  const key = tls?.key === undefined || isOneSecret(tls.key) ? [] : [wrong(`${path}.tls.key`, LITERAL_KEY)]
  if (isOneSecret(url)) return key
  const read = readDatabaseAddress(fillSecrets(url, () => FILLED))
  if ('problems' in read) return [...read.problems.map((problem) => wrong(`${path}.url`, problem)), ...key]
  const { password, sslMode } = read.address
  const isLiteral = password !== '' && password !== FILLED
  return [
    ...(isLiteral ? [wrong(`${path}.url`, LITERAL_PASSWORD)] : []),
    ...(tls !== undefined && sslMode === 'disable' ? [wrong(`${path}.tls`, USELESS)] : []),
    ...key,
  ]
}

/** In the place of each secret: nothing that anybody would take for a password. */
const FILLED = 'a-secret-that-is-filled-in-when-it-is-needed'
/** Whoever may read a manifest would have it. */
const LITERAL_PASSWORD =
  'may hold no password: set it as a secret of the worker, and write `postgres://USER:${secret:NAME}@…`'
const LITERAL_KEY = 'must be a secret, as `${secret:NAME}`'
const USELESS = 'is of no use without `sslmode` in the address: add `?sslmode=verify-full`'

function wrong(path: string, message: string): ProblemPlace {
  return { path, rule: 'schema', message }
}

function checkPlaces(path: string, spec: McpConnectionSpec): ProblemPlace[] {
  return Object.entries(spec.tools).flatMap(([tool, { check }]) => {
    if (!check) return []
    const at = `${path}.spec.tools.${tool}.check`
    return [
      ...templatePlaces(`${at}.arguments`, check.arguments as JsonObject, CHECK_SCOPE),
      ...typedExpressionPlaces(`${at}.applied_if`, check.applied_if, {
        scope: CHECK_RESULT_SCOPE,
        kind: 'condition',
      }),
    ]
  })
}
