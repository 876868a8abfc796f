/** An automation against itself and its connections: all that can be checked without asking a server. */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import type {
  AutomationSpec,
  ConnectionSpec,
  PostgresConnectionSpec,
  SqlUpdate,
  StepManifest,
} from '../../schemas/manifests.ts'
import type { ProblemPlace } from '../../schemas/problem.ts'
import { compileSchema } from '../json-schema.ts'
import { place, unknownName, type Document } from './document.ts'
import {
  expressionPlaces,
  STEP_VARIABLES,
  templatePlaces,
  TRIGGER_SCOPE,
  type ExpressionScope,
} from './expressions.ts'

/** Connections by name: those stored, with those of the same request over them. */
export type Connections = ReadonlyMap<string, ConnectionSpec>

export function automationPlaces(
  { path, manifest }: Document<'Automation'>,
  connections: Connections,
): ProblemPlace[] {
  const { spec } = manifest
  const specPath = `${path}.spec`
  return [
    ...inputPlaces(specPath, spec),
    ...triggerPlaces(specPath, spec, connections),
    ...doubleStepNames(specPath, spec),
    ...spec.steps.flatMap((step, index) =>
      stepPlaces(`${specPath}.steps[${index}]`, step, { scope: scopeOf(spec, index), connections }),
    ),
  ]
}

function inputPlaces(path: string, spec: AutomationSpec): ProblemPlace[] {
  if (spec.input === undefined) return []
  const schema = compileSchema(spec.input as JsonObject)
  return schema.ok ? [] : [place(`${path}.input`, `is not a usable JSON Schema: ${schema.message}`)]
}

function triggerPlaces(path: string, spec: AutomationSpec, connections: Connections): ProblemPlace[] {
  return spec.triggers.flatMap((trigger, index) => {
    const at = `${path}.triggers[${index}]`
    const { connection, filter, dedupe, input } = trigger
    return [
      ...(connections.has(connection) ? [] : [noConnection(`${at}.connection`, connection, connections)]),
      ...(filter === undefined ? [] : expressionPlaces(`${at}.filter`, filter, TRIGGER_SCOPE)),
      ...(dedupe === undefined ? [] : expressionPlaces(`${at}.dedupe`, dedupe, TRIGGER_SCOPE)),
      ...templatePlaces(`${at}.input`, input as JsonObject, TRIGGER_SCOPE),
    ]
  })
}

function doubleStepNames(path: string, { steps }: AutomationSpec): ProblemPlace[] {
  const names = steps.map((step) => step.name)
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [place(`${path}.steps[${index}].name`, `there is a step \`${name}\` already`)],
  )
}

function scopeOf({ steps }: AutomationSpec, index: number): ExpressionScope {
  const names = steps.map((step) => step.name)
  return { variables: STEP_VARIABLES, earlierSteps: names.slice(0, index), allSteps: names }
}

interface StepContext {
  scope: ExpressionScope
  connections: Connections
}

function stepPlaces(path: string, step: StepManifest, context: StepContext): ProblemPlace[] {
  const { scope } = context
  const condition = step.if === undefined ? [] : expressionPlaces(`${path}.if`, step.if, scope)
  if ('return' in step)
    return [...condition, ...templatePlaces(`${path}.return`, step.return as JsonValue, scope)]
  if ('tool_call' in step)
    return [...condition, ...toolCallPlaces(`${path}.tool_call`, step.tool_call, context)]
  return [...condition, ...writebackPlaces(`${path}.writeback`, step.writeback, context)]
}

type ToolCall = Extract<StepManifest, { tool_call: unknown }>['tool_call']
type Writeback = Extract<StepManifest, { writeback: unknown }>['writeback']

function toolCallPlaces(path: string, call: ToolCall, { scope, connections }: StepContext): ProblemPlace[] {
  return [
    ...connectionPlaces(`${path}.connection`, call.connection, 'mcp', connections),
    ...templatePlaces(`${path}.arguments`, call.arguments as JsonObject, scope),
  ]
}

function writebackPlaces(path: string, writeback: Writeback, context: StepContext): ProblemPlace[] {
  const { connection, update } = writeback
  const spec = context.connections.get(connection)
  return [
    ...connectionPlaces(`${path}.connection`, connection, 'postgres', context.connections),
    ...(spec?.type === 'postgres' ? updatePlaces(`${path}.update`, update, spec) : []),
    ...(['key', 'guard', 'set'] as const).flatMap((part) =>
      templatePlaces(`${path}.update.${part}`, update[part] as JsonObject, context.scope),
    ),
  ]
}

/** The same conditions as the SQL executor's, told before anything runs. */
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
    ...(missing.length > 0 ? [place(`${path}.key`, `lacks ${missing.join(', ')} of the primary key`)] : []),
    ...strangers(`${path}.key`, update.key, identifying, 'is not a column of the primary key'),
    ...strangers(`${path}.set`, update.set, table.writable, 'is not a writable column'),
    ...strangers(`${path}.guard`, update.guard, readable, 'is not a column that the connection names'),
    ...(Object.keys(update.set).length === 0 ? [place(`${path}.set`, 'names no column')] : []),
  ]
}

function strangers(path: string, values: object, known: readonly string[], message: string): ProblemPlace[] {
  return Object.keys(values)
    .filter((column) => !known.includes(column))
    .map((column) => unknownName(`${path}.${column}`, message, column, known))
}

function connectionPlaces(
  path: string,
  name: string,
  type: ConnectionSpec['type'],
  connections: Connections,
): ProblemPlace[] {
  const spec = connections.get(name)
  if (!spec) return [noConnection(path, name, connections)]
  if (spec.type === type) return []
  return [place(path, `connection \`${name}\` is of type ${spec.type}; this step needs one of type ${type}`)]
}

function noConnection(path: string, name: string, connections: Connections): ProblemPlace {
  return unknownName(path, `there is no connection \`${name}\``, name, [...connections.keys()])
}
