/** Somebody's application database with two tenants, and the SQL executor against it. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSqlExecutor } from '../../activities/executors/sql.ts'
import {
  createTargetDatabases,
  type TargetDatabase,
  type TargetDatabases,
} from '../../activities/executors/sql-targets.ts'
import type { Answer, Operation, Sending } from '../../activities/executors/executor.ts'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { readDatabaseAddress } from '../../lib/database-address.ts'
import { previewOf } from '../../activities/reading.ts'
import type { Database } from '../../db/database.ts'
import type { JsonObject } from '../../lib/json.ts'
import { SendWindow } from '../../lib/send-window.ts'
import { ConnectionSpecSchema, type PostgresConnectionSpec } from '../../schemas/manifests.ts'
import type { Preview } from '../../schemas/run.ts'
import { DIGEST, ORGANIZATION } from './fixtures.ts'

export const RECEIPTS_DDL = readFileSync(
  new URL('../../sdk/target/countersign_receipts.sql', import.meta.url),
  'utf8',
)

const INVOICES_DDL = `
  create table invoices (
    id integer primary key, tenant text not null, fee numeric(10, 2), note text, card text, settled boolean,
    meta jsonb, version timestamptz not null default clock_timestamp());
  create function touch() returns trigger language plpgsql as
    $$ begin new.version = clock_timestamp(); return new; end $$;
  create trigger touch before update on invoices for each row execute function touch();
  create table effects (id integer not null, at timestamptz not null default clock_timestamp());
  create function note_effect() returns trigger language plpgsql as
    $$ begin insert into effects (id) values (new.id); return null; end $$;
  create trigger note_effect after update on invoices for each row execute function note_effect();`

/** Invoices 1 to 9 of `acme` and 11 to 19 of `rival`. Every update of one leaves a row in `effects`. */
export async function makeTarget(database: Database): Promise<void> {
  await database.query(`${INVOICES_DDL} ${RECEIPTS_DDL}`)
  await database.query(
    `insert into invoices (id, tenant, fee, note, card)
     select i, case when i < 10 then 'acme' else 'rival' end, 42, 'as sent', '4111' from generate_series(1, 19) i where i <> 10`,
  )
}

const SPEC = {
  type: 'postgres',
  url: 'given to the executor',
  scope: { column: 'tenant', value: 'acme' },
  tables: {
    invoices: {
      primary_key: ['id'],
      version: 'version',
      writable: ['fee', 'note', 'card', 'settled', 'meta'],
      redact: ['card'],
    },
  },
}

export function sqlOperation(
  update: JsonObject,
  change: (spec: PostgresConnectionSpec) => void = () => undefined,
): Operation<PostgresConnectionSpec> {
  const spec = ConnectionSpecSchema.parse(SPEC) as PostgresConnectionSpec
  change(spec)
  return {
    organization: ORGANIZATION,
    connection: 'billing',
    spec,
    operation: 'update',
    arguments: { table: 'invoices', ...update },
  }
}

export interface SqlTarget {
  executor: ReturnType<typeof createSqlExecutor>
  targets: TargetDatabases
  /** Plans, and gives what sends that plan: with a key of its own unless told otherwise. */
  prepare(operation: Operation<PostgresConnectionSpec>): Promise<(over?: Partial<Sending>) => Promise<Answer>>
  close(): Promise<void>
}

export const DEADLINE_MS = 5_000

export function createSqlTarget(urlOf: () => string): SqlTarget {
  const targets = createTargetDatabases(parseAllowedHosts('127.0.0.1'))
  const executor = createSqlExecutor({
    targets,
    targetOf: ({ organization }) => databaseAt(urlOf(), organization),
  })
  return {
    executor,
    targets,
    prepare: async (operation) => {
      const planned = await executor.plan(operation, limits())
      const key = `csk_${randomUUID()}`
      return (over = {}) =>
        executor.apply(operation, {
          key,
          writebackId: 'wb_1',
          digest: DIGEST,
          stored: planned.stored,
          preconditions: planned.preconditions,
          ...sendingLimits(),
          ...over,
        })
    },
    close: () => targets.close(),
  }
}

/** The database of tests, as a connection that may reach it has it. */
export function databaseAt(url: string, organization = ORGANIZATION): TargetDatabase {
  const read = readDatabaseAddress(url)
  if ('problems' in read) throw new Error(read.problems.join('; '))
  return { organization, address: read.address, tls: {}, secrets: [] }
}

export function limits(timeoutMs = DEADLINE_MS): { deadlineAtMs: number; signal: AbortSignal } {
  return { deadlineAtMs: Date.now() + timeoutMs, signal: new AbortController().signal }
}

export function sendingLimits(
  timeoutMs = DEADLINE_MS,
): Pick<Sending, 'deadlineAtMs' | 'signal' | 'window' | 'destination'> {
  return { ...limits(timeoutMs), window: new SendWindow(timeoutMs), destination: null }
}

export const waive = (id: number, set: JsonObject = { fee: 0 }): JsonObject => ({ key: { id }, set })

/** As a plan keeps it of `waive(id)`. */
export const storedFee = (id: number): JsonObject => ({
  key: { id: `["${id}", ${id}]` },
  guard: {},
  set: { fee: '["0.00", 0.00]' },
})

/** What people would see of a plan. */
export async function seenOf(
  { executor }: SqlTarget,
  operation: Operation<PostgresConnectionSpec>,
): Promise<Preview & { preconditions: JsonObject }> {
  const planned = await executor.plan(operation, limits())
  const described = executor.describe(operation, planned.stored)
  const { preconditions } = planned
  return { ...previewOf(operation, executor, described, planned), preconditions }
}

/** An answer in one or two words. */
export function word(answer: Answer): string {
  if (answer.kind === 'answered') return answer.status
  const { code } = answer.kind === 'not_sent' ? answer.unsent.error : answer.error
  return `${answer.kind}: ${code}`
}
