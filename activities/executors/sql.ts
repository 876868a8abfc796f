/**
 * A guarded change of one row in PostgreSQL. The target keeps a receipt under our key, in the same transaction as the
 * change, so a write whose answer was lost can be sent again: the second one finds the receipt and changes nothing.
 */
import type pg from 'pg'
import { hiding, type Hide } from '../../lib/hidden-secrets.ts'
import type { JsonObject, JsonValue } from '../../lib/json.ts'
import { factsOfUpdate } from '../../lib/policy.ts'
import { writeSettings } from '../../lib/write-settings.ts'
import {
  SqlUpdateSchema,
  type PostgresConnectionSpec,
  type SqlUpdate,
  type TableSpec,
} from '../../schemas/manifests.ts'
import { CodedError } from '../../schemas/errors.ts'
import type {
  Answer,
  CheckAnswer,
  Described,
  Executor,
  Limits,
  Looking,
  Operation,
  PlannedWrite,
  Resolved,
  Sending,
} from './executor.ts'
import { answerOfFailure, plannedFailure } from './sql-errors.ts'
import { findMisfits } from './sql-misfits.ts'
import { findReceipt, readRow, updateRowOnce, type RowAddress } from './sql-statements.ts'
import type { TargetDatabases } from './sql-targets.ts'
import type { DatabaseResolver } from '../targets.ts'
import {
  inOrderOf,
  redactRow,
  storedRow,
  shownRow,
  textsOf,
  valuesOf,
  type RowColumns,
  type StoredRow,
} from './sql-values.ts'

export function createSqlExecutor(deps: {
  targets: TargetDatabases
  /** Resolves secrets. Throws SECRET_NOT_FOUND, SECRET_NOT_ALLOWED, ADDRESS_NOT_ALLOWED. */
  targetOf: DatabaseResolver
}): Executor {
  return {
    name: 'sql',
    how: 'atomic',
    resolve: async (operation) => resolve(statementOf(operation)),
    read: async () => {
      throw new Error('a database connection has no operation of class read')
    },
    plan: async (operation, limits) => {
      const statement = statementOf(operation)
      return reach(deps, statement, (pool, hide) => plan(pool, statement, { limits, hide }))
    },
    describe: (operation, stored) => describe(statementOf(operation), storedRow(stored)),
    apply: async (operation, sending) => {
      const statement = statementOf(operation)
      return reach(deps, statement, (pool, hide) => apply(pool, statement, { sending, hide })).catch(
        (error: unknown) => answerOfFailure(error, sending.window),
      )
    },
    resend: () => 'safe',
    check: async (operation, looking) => {
      const statement = statementOf(operation)
      return reach(deps, statement, async (pool, hide) => hide(await check(pool, statement, looking)))
    },
  }
}

/**
 * Resolved once for each time that the target is reached: what is hidden of its errors, and by the work of what it gives,
 * is what was used.
 */
async function reach<T>(
  { targets, targetOf: targetNow }: Parameters<typeof createSqlExecutor>[0],
  { operation }: Statement,
  work: (pool: pg.Pool, hide: Hide) => Promise<T>,
): Promise<T> {
  const target = targetNow(operation)
  const hide = hiding(target.secrets)
  try {
    return await targets.lend(target, (pool) => work(pool, hide))
  } catch (error) {
    throw hide(error)
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
  const { operation, update } = statement
  return {
    class: 'write',
    // Names of secrets, not their values: a password that is rotated changes nothing that people care about.
    endpoint: writeSettings(operation.spec, [update.table]),
    definitionSha256: null,
    destination: null,
  }
}

/** Before the row was found, by the key as the automation spells it. */
function targetOf(connection: string, table: string, key: JsonObject): string {
  const named = Object.entries(key).map(([column, value]) => `${column}=${asText(value)}`)
  return `${connection}/${table}/${named.join(',')}`
}

function asText(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Freezes the row's version besides the guard that the automation gave. Preconditions stay as they were read: they are
 * compared with what is found later.
 */
async function plan(
  pool: pg.Pool,
  statement: Statement,
  { limits, hide }: { limits: Limits; hide: Hide },
): Promise<PlannedWrite> {
  const { operation, update, table, address } = statement
  const key = Object.keys(update.key)
  const guarded = [...Object.keys(update.guard), ...(table.version ? [table.version] : [])]
  const columns = [...new Set([...Object.keys(update.set), ...guarded, ...key])]
  const { guard, set } = update
  const kept = [...key, ...guarded]
  const row = await readRow(pool, { address, columns, kept, guard, set, ...limits }).catch((error: unknown) =>
    refusePlan(pool, statement, { limits, error }),
  )
  const target = targetOf(operation.connection, update.table, update.key as JsonObject)
  if (!row) throw new CodedError('WRITE_CONFLICT', `${target}: no such row`)
  if (!row.matchesGuard)
    throw new CodedError('WRITE_CONFLICT', `${target}: the row is no longer as the automation read it`)
  const { values } = row
  const ofRow = (names: string[]): RowColumns =>
    Object.fromEntries(names.map((name) => [name, values[name] ?? '']))
  return {
    stored: { key: ofRow(key), guard: ofRow(Object.keys(update.guard)), set: row.set },
    before: hide(shownRow(ofRow(Object.keys(update.set)), table)),
    preconditions: textsOf(ofRow(guarded)),
    guard: guarded.length > 0 ? 'atomic' : 'none',
  }
}

/** With the names of the columns that do not take their values. */
async function refusePlan(
  pool: pg.Pool,
  { operation, update, address }: Statement,
  { limits, error }: { limits: Limits; error: unknown },
): Promise<never> {
  const failure = plannedFailure(error, `tables.${update.table} of the connection ${operation.connection}`)
  if (failure === error || failure.code !== 'INVALID_ARGUMENTS') throw failure
  const { key, guard, set } = update
  const misfits = await findMisfits(pool, { address, key, guard, set, ...limits }).catch(() => [])
  throw misfits.length > 0 ? invalid(misfits.join('; ')) : failure
}

/** In the order in which the automation names the columns: what the ledger keeps has lost it. */
function describe({ operation, update, table }: Statement, stored: StoredRow): Described {
  const key = valuesOf(inOrderOf(update.key, stored.key))
  const set = valuesOf(inOrderOf(update.set, stored.set))
  const guard = valuesOf(inOrderOf(update.guard, stored.guard))
  const facts = factsOfUpdate({ table: update.table, key, set })
  return {
    target: targetOf(operation.connection, update.table, key),
    facts: { arguments: { table: update.table, key, guard, set }, ...facts },
    after: redactRow(set, table),
  }
}

async function apply(
  pool: pg.Pool,
  statement: Statement,
  { sending, hide }: { sending: Sending; hide: Hide },
): Promise<Answer> {
  const { update, table, address } = statement
  const stored = storedRow(sending.stored)
  const { target } = describe(statement, stored)
  const done = await updateRowOnce(pool, {
    address,
    set: update.set,
    stored,
    preconditions: sending.preconditions,
    key: sending.key,
    writebackId: sending.writebackId,
    digest: sending.digest,
    window: sending.window,
    deadlineAtMs: sending.deadlineAtMs,
    signal: sending.signal,
  })
  if (done.status === 'conflict') {
    const message = hide(`${target}: the row has changed since the write was planned, or is gone`)
    return { kind: 'answered', status: 'conflict', code: 'WRITE_CONFLICT', message, output: null }
  }
  if (done.status === 'not_one_row') {
    const message = hide(`${target}: ${done.rowCount} rows would have changed, so none was`)
    return { kind: 'not_done', by: 'receipt', error: new CodedError('WRITE_FAILED', message) }
  }
  if (done.status === 'stored_otherwise') {
    const error = storedOtherwise(target, { table, planned: stored.set, found: done.found })
    return { kind: 'not_done', by: 'receipt', error: hide(error) }
  }
  if (done.status === 'other_plan') {
    const message = hide(otherPlan(target, sending.digest, { table, done }))
    return { kind: 'answered', status: 'unknown', code: 'OUTCOME_UNKNOWN', message, output: null }
  }
  if (done.status === 'refused') return { kind: 'not_done', by: 'receipt', error: hide(done.error) }
  return { kind: 'answered', status: done.status, output: hide(redactRow(done.row, table)) }
}

/** By the receipt that the target keeps, or does not. */
async function check(
  pool: pg.Pool,
  { operation, update, table }: Statement,
  looking: Looking,
): Promise<CheckAnswer> {
  const found = await findReceipt(pool, looking).catch((error: unknown) => {
    throw plannedFailure(error, `countersign_receipts of the connection ${operation.connection}`)
  })
  if (!found) return { kind: 'not_applied', isFinal: true }
  if (found.status === 'already_applied') return { kind: 'applied', output: redactRow(found.row, table) }
  const target = targetOf(operation.connection, update.table, update.key as JsonObject)
  if (found.status === 'other_plan')
    return { kind: 'unclear', message: otherPlan(target, looking.digest, { table, done: found }) }
  const message = `${target}: the row had changed since the write was planned, or was gone`
  return { kind: 'conflict', message }
}

function storedOtherwise(
  target: string,
  { table, planned, found }: { table: TableSpec; planned: RowColumns; found: RowColumns | null },
): CodedError {
  const said = (row: RowColumns): string => JSON.stringify(shownRow(row, table))
  const now = found ? `has ${said(found)} after the update` : 'is gone after the update'
  return new CodedError(
    'STORED_OTHERWISE',
    `${target}: approved was ${said(planned)}, the row ${now}; rolled back`,
  )
}

/** With both facts, for a person: the one cannot be true of what the other says. */
function otherPlan(
  target: string,
  digest: string,
  { table, done }: { table: TableSpec; done: { digest: string; row: JsonObject } },
): string {
  const { digest: other, row } = done
  return `${target}: the target has done another plan under this key (digest ${other}: ${JSON.stringify(redactRow(row, table))}), and not the one with digest ${digest}; most likely our records were restored from before it`
}

function invalid(detail: string): CodedError {
  return new CodedError('INVALID_ARGUMENTS', detail)
}
