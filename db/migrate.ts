/**
 * Applies db/migrations/*.sql in order, each once, under a lock, so that several processes may start together.
 * A file that was applied must not change: its checksum is kept and compared.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { sha256Hex } from '../lib/canonical-json.ts'
import { inTransaction, type Database, type Queryable } from './database.ts'

const FOLDER = new URL('./migrations/', import.meta.url)
/** Any constant of our own: it only has to differ from other advisory locks in this database. */
const LOCK_ID = 7_261_503

/** Names of the files that were applied now; empty if the database was up to date. */
export async function migrate(database: Database): Promise<string[]> {
  return inTransaction(database, async (tx) => {
    // Building an index of a large table takes its time, and so may whoever migrates first.
    await tx.query('set local statement_timeout = 0')
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK_ID])
    await tx.query(`create table if not exists schema_migrations (
      name text primary key, sha256 text not null, applied_at timestamptz not null default now())`)
    const applied = await loadApplied(tx)
    const pending: string[] = []
    for (const name of migrationNames()) {
      const sql = readFileSync(new URL(name, FOLDER), 'utf8')
      if (isApplied(applied, name, sha256Hex(sql))) continue
      await tx.query('insert into schema_migrations (name, sha256) values ($1, $2)', [name, sha256Hex(sql)])
      await tx.query(sql)
      pending.push(name)
    }
    return pending
  })
}

export interface MigrationState {
  /** How many. */
  applied: number
  missing: string[]
  changed: string[]
  /** Applied by a newer version than this one. */
  foreign: string[]
}

/** What `migrate` would do, without doing it. */
export async function migrationState(db: Queryable): Promise<MigrationState> {
  const applied = await loadApplied(db)
  const names = migrationNames()
  const shaOf = (name: string): string => sha256Hex(readFileSync(new URL(name, FOLDER), 'utf8'))
  return {
    applied: applied.size,
    missing: names.filter((name) => !applied.has(name)),
    changed: names.filter((name) => applied.has(name) && applied.get(name) !== shaOf(name)),
    foreign: [...applied.keys()].filter((name) => !names.includes(name)),
  }
}

async function loadApplied(tx: Queryable): Promise<Map<string, string>> {
  const { rows } = await tx.query<{ name: string; sha256: string }>(
    'select name, sha256 from schema_migrations',
  )
  return new Map(rows.map((row) => [row.name, row.sha256]))
}

function isApplied(applied: Map<string, string>, name: string, sha256: string): boolean {
  const known = applied.get(name)
  if (known !== undefined && known !== sha256) {
    throw new Error(
      `migration ${name} has changed since it was applied: restore the file, and write a new migration`,
    )
  }
  return known !== undefined
}

function migrationNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => /^\d{4}_.*\.sql$/.test(name))
    .sort()
}
