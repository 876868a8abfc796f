/**
 * A guarded change of one row in PostgreSQL. The target keeps a receipt under our key, in the same transaction as the
 * change, so a write whose answer was lost can be sent again: the second one finds the receipt and changes nothing.
 */
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { factsOfUpdate } from '../../lib/policy.ts'
import {
  SqlUpdateSchema,
  type PostgresConnectionSpec,
  type SqlUpdate,
  type TableSpec,
} from '../../schemas/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import type { FieldChange } from '../../schemas/run.ts'
import type {
  Answer,
  CheckAnswer,
  Executor,
  Limits,
  Operation,
  PlannedWrite,
  Resolved,
  Sending,
} from './executor.ts'
import { answerOfFailure, plannedFailure } from './sql-errors.ts'
import { findReceipt, readRow, updateRowOnce, type RowAddress } from './sql-statements.ts'
import type { TargetDatabases } from './sql-targets.ts'

const REDACTED = '[redacted]'

export function createSqlExecutor(deps: {
  targets: TargetDatabases
  /** Resolves secrets. Throws SECRET_NOT_FOUND. */
  urlOf: (operation: Operation<PostgresConnectionSpec>) => string
}): Executor {
  return {
    name: 'sql',
    how: 'atomic',
    resolve: async (operation) => resolve(statementOf(operation)),
    read: async () => {
      throw new Error('a database connection has no operation of class read')
    },
    plan: async (operation, limits) => plan(deps, statementOf(operation), limits),
    apply: async (operation, sending) => apply(deps, statementOf(operation), sending),
    resend: () => 'safe',
    check: async (operation, looking) => check(deps, statementOf(operation), looking),
  }
}

interface Statement {
  operation: Operation<PostgresConnectionSpec>
  update: SqlUpdate
  table: TableSpec
  address: RowAddress
}

/** Checks the arguments against what the connection allows; nothing else ever becomes part of a statement. */
function statementOf(operation: Operation): Statement {
  const { spec, connection } = operation
  if (spec.type !== 'postgres') throw new Error(`${connection} is not a database connection`)
  if (operation.operation !== 'update') throw invalid(`${connection} has no operation ${operation.operation}`)
  const parsed = SqlUpdateSchema.safeParse(operation.arguments)
  if (!parsed.success)
    throw invalid(parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; '))
  const update = parsed.data
  const table = Object.hasOwn(spec.tables, update.table) ? spec.tables[update.table] : undefined
  if (!table) throw invalid(`${connection} has no table ${update.table}`)
  assertColumns(update, table, spec.scope?.column)
  const address = {
    schema: table.schema,
    table: update.table,
    where: { ...update.key, ...(spec.scope ? { [spec.scope.column]: spec.scope.value } : {}) },
  }
  return { operation: { ...operation, spec }, update, table, address }
}

function assertColumns(update: SqlUpdate, table: TableSpec, scopeColumn: string | undefined): void {
  const keys = Object.keys(update.key)
  const missing = table.primary_key.filter((column) => !keys.includes(column) && column !== scopeColumn)
  if (missing.length > 0) throw invalid(`key lacks ${missing.join(', ')}`)
  const foreign = keys.filter((column) => !table.primary_key.includes(column) || column === scopeColumn)
  if (foreign.length > 0)
    throw invalid(`key names ${foreign.join(', ')}, which is not for an automation to say`)
  const forbidden = Object.keys(update.set).filter(
    (column) => !table.writable.includes(column) || column === scopeColumn,
  )
  if (forbidden.length > 0) throw invalid(`${forbidden.join(', ')} may not be written`)
  const readable = [...table.writable, ...table.primary_key, ...(table.version ? [table.version] : [])]
  const strange = Object.keys(update.guard).filter((column) => !readable.includes(column))
  if (strange.length > 0) throw invalid(`guard names ${strange.join(', ')}, which the connection does not`)
  if (Object.keys(update.set).length === 0) throw invalid('set names no column')
}

function resolve(statement: Statement): Resolved {
  const { operation, update, table } = statement
  return {
    class: 'write',
    // The secret's name, not its value: a password that is rotated changes nothing that people care about.
    endpoint: { url: operation.spec.url, scope: operation.spec.scope ?? null, schema: table.schema },
    target: targetOf(operation.connection, update),
    facts: factsOfUpdate(update),
    definitionSha256: null,
  }
}

function targetOf(connection: string, update: SqlUpdate): string {
  const key = Object.entries(update.key).map(([column, value]) => `${column}=${String(value)}`)
  return `${connection}/${update.table}/${key.join(',')}`
}

/** Freezes the row's version besides the guard that the automation gave. */
async function plan(
  deps: Parameters<typeof createSqlExecutor>[0],
  statement: Statement,
  limits: Limits,
): Promise<PlannedWrite> {
  const { operation, update, table, address } = statement
  const guarded = [...Object.keys(update.guard), ...(table.version ? [table.version] : [])]
  const columns = [...new Set([...Object.keys(update.set), ...guarded])]
  const row = await readRow(deps.targets.poolFor(deps.urlOf(operation)), {
    address,
    columns,
    guard: update.guard,
    ...limits,
  }).catch((error: unknown) => Promise.reject(plannedFailure(error)))
  const target = targetOf(operation.connection, update)
  if (!row) throw new CodedError('WRITE_CONFLICT', `${target}: no such row`)
  if (!row.matchesGuard)
    throw new CodedError('WRITE_CONFLICT', `${target}: the row is no longer as the automation read it`)
  const version = table.version ? { [table.version]: row.values[table.version] ?? null } : {}
  return {
    changes: changesOf(update, table, row.values),
    preconditions: { ...(update.guard as JsonObject), ...version },
    guard: guarded.length > 0 ? 'atomic' : 'none',
  }
}

function changesOf(
  update: SqlUpdate,
  table: TableSpec,
  before: Record<string, string | null>,
): FieldChange[] {
  return Object.entries(update.set).map(([field, after]) =>
    table.redact.includes(field)
      ? { field, before: REDACTED, after: REDACTED }
      : { field, before: before[field] ?? null, after: after as JsonValue },
  )
}

async function apply(
  deps: Parameters<typeof createSqlExecutor>[0],
  statement: Statement,
  sending: Sending,
): Promise<Answer> {
  const { operation, update, table, address } = statement
  try {
    const done = await updateRowOnce(deps.targets.poolFor(deps.urlOf(operation)), {
      address,
      set: update.set,
      preconditions: sending.preconditions,
      key: sending.key,
      writebackId: sending.writebackId,
      digest: sending.digest,
      deadlineAtMs: sending.deadlineAtMs,
      signal: sending.signal,
    })
    const target = targetOf(operation.connection, update)
    if (done.status === 'conflict') {
      const message = `${target}: the row has changed since the write was planned, or is gone`
      return { kind: 'answered', status: 'conflict', code: 'WRITE_CONFLICT', message, output: null }
    }
    if (done.status === 'not_one_row') {
      const message = `${target}: ${done.rowCount} rows would have changed, so none was`
      return { kind: 'answered', status: 'failed', code: 'WRITE_FAILED', message, output: null }
    }
    return { kind: 'answered', status: done.status, output: redactRow(done.row, table) }
  } catch (error) {
    return answerOfFailure(error)
  }
}

/** By the receipt that the target keeps, or does not. */
async function check(
  deps: Parameters<typeof createSqlExecutor>[0],
  { operation, update, table }: Statement,
  looking: Limits & { key: string },
): Promise<CheckAnswer> {
  const pool = deps.targets.poolFor(deps.urlOf(operation))
  const found = await findReceipt(pool, looking).catch((error: unknown) =>
    Promise.reject(plannedFailure(error)),
  )
  if (!found) return { kind: 'not_applied', isFinal: true }
  if (found.status === 'already_applied') return { kind: 'applied', output: redactRow(found.row, table) }
  const message = `${targetOf(operation.connection, update)}: the row had changed since the write was planned, or was gone`
  return { kind: 'conflict', message }
}

function redactRow(row: Record<string, string | null>, table: TableSpec): JsonObject {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [column, table.redact.includes(column) ? REDACTED : value]),
  )
}

function invalid(detail: string): CodedError {
  return new CodedError('INVALID_ARGUMENTS', detail)
}
