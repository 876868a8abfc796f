/** A writeback against its connection: the same conditions as the SQL executor's, told before anything runs. */
import type { JsonObject } from '../lib/json.ts'
import type { PostgresConnectionSpec, SqlUpdate, StepManifest } from '../schemas/manifests.ts'
import type { ProblemPlace } from '../schemas/problem.ts'
import { connectionNamePlaces } from './known.ts'
import { place, unknownName } from './document.ts'
import { templatePlaces } from './expressions.ts'
import type { StepContext } from './steps.ts'

type Writeback = Extract<StepManifest, { writeback: unknown }>['writeback']

export function writebackPlaces(path: string, writeback: Writeback, context: StepContext): ProblemPlace[] {
  const { connection, update } = writeback
  const spec = context.connections.get(connection)
  return [
    ...connectionNamePlaces(`${path}.connection`, connection, 'postgres', context),
    ...(spec?.type === 'postgres' ? updatePlaces(`${path}.update`, update, spec) : []),
    ...(['key', 'guard', 'set'] as const).flatMap((part) =>
      templatePlaces(`${path}.update.${part}`, update[part] as JsonObject, context.scope),
    ),
  ]
}

function updatePlaces(path: string, update: SqlUpdate, spec: PostgresConnectionSpec): ProblemPlace[] {
  const table = Object.hasOwn(spec.tables, update.table) ? spec.tables[update.table] : undefined
  if (!table) {
    const names = Object.keys(spec.tables)
    return [
      unknownName(`${path}.table`, `the connection has no table \`${update.table}\``, update.table, names),
    ]
  }
  const keys = Object.keys(update.key)
  const identifying = table.primary_key.filter((column) => column !== spec.scope?.column)
  const missing = identifying.filter((column) => !keys.includes(column))
  const readable = [...table.writable, ...table.primary_key, ...(table.version ? [table.version] : [])]
  return [
    ...(missing.length > 0
      ? [place('incomplete-write', `${path}.key`, `lacks ${missing.join(', ')} of the primary key`)]
      : []),
    ...strangers(`${path}.key`, update.key, identifying, 'is not a column of the primary key'),
    ...strangers(`${path}.set`, update.set, table.writable, 'is not a writable column'),
    ...strangers(`${path}.guard`, update.guard, readable, 'is not a column that the connection names'),
    ...(Object.keys(update.set).length === 0
      ? [place('incomplete-write', `${path}.set`, 'names no column')]
      : []),
  ]
}

function strangers(path: string, values: object, known: readonly string[], message: string): ProblemPlace[] {
  return Object.keys(values)
    .filter((column) => !known.includes(column))
    .map((column) => unknownName(`${path}.${column}`, message, column, known))
}
