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

/**
 * A change of a table waits for whoever uses it, such as a backup, and everybody else queues behind it. So it gives up
 * soon, with 55P03, and is tried again.
 */
const LOCK_TIMEOUT = '5s'

/** Names of the files that were applied now; empty if the database was up to date. Each has a transaction of its own. */
export async function migrate(database: Database): Promise<string[]> {
  // Asked first: then a login that may change no table can start, as long as the owner has been there.
  if (await isUpToDate(database)) return []
  const applied: string[] = []
  for (const name of migrationNames()) if (await apply(database, name)) applied.push(name)
  return applied
}

async function isUpToDate(database: Database): Promise<boolean> {
  return inTransaction(database, async (tx) => {
    await tx.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`)
    const { rows } = await tx.query<{ exists: boolean }>(
      `select to_regclass('schema_migrations') is not null as exists`,
    )
    if (rows[0]?.exists !== true) return false
    const { missing, changed } = await migrationState(tx)
    return missing.length === 0 && changed.length === 0
  })
}

async function apply(database: Database, name: string): Promise<boolean> {
  const sql = readFileSync(new URL(name, FOLDER), 'utf8')
  const sha256 = sha256Hex(sql)
  return inTransaction(database, async (tx) => {
    // Building an index of a large table takes its time, and so may whoever migrates first.
    await tx.query('set local statement_timeout = 0')
    await tx.query('select pg_advisory_xact_lock($1)', [LOCK_ID])
    await tx.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`)
    await tx.query(`create table if not exists schema_migrations (
      name text primary key, sha256 text not null, applied_at timestamptz not null default now())`)
    if (isApplied(await loadApplied(tx), name, sha256)) return false
    await tx.query('insert into schema_migrations (name, sha256) values ($1, $2)', [name, sha256])
    await tx.query(sql)
    return true
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
