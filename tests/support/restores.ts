/**
 * What operators do to stores: a base backup of PostgreSQL while it runs, a standby that is promoted after it has fallen
 * behind, a copy of the store of Temporal's development server, and putting either back. Nothing but SQL and files, so
 * that it runs wherever the embedded PostgreSQL does.
 */
import { execFile } from 'node:child_process'
import * as fs from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { startPostgres, type Postgres } from '../../scripts/stack/postgres.ts'
import { eventually } from './world.ts'

/** As `startPostgres` gives it, with the data that it really uses. */
export interface RunningPostgres {
  url: string
  dataDir: string
}

const runFile = promisify(execFile)
const COPY_ATTEMPTS = 5

/** Into `backup`, which is a data folder afterwards: what was committed by then is in it. Nothing is stopped. */
export async function takeBaseBackup(server: RunningPostgres, backup: string): Promise<void> {
  const label = await withClient(server.url, async (client) => {
    await client.query(`select pg_backup_start('a test', true)`)
    await copyFolder(server.dataDir, backup)
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    return rows[0]?.labelfile ?? ''
  })
  // The log of what went on meanwhile, without which the copy is not one moment.
  await copyFolder(path.join(server.dataDir, 'pg_wal'), path.join(backup, 'pg_wal'))
  for (const file of ['postmaster.pid', 'postmaster.opts', 'server.log'])
    fs.rmSync(path.join(backup, file), { force: true })
  writeAsOwner(path.join(backup, 'backup_label'), label)
}

/** Puts a base backup in the place of a server that has ended; it may be put back again later. */
export async function restoreBaseBackup(backup: string, dataDir: string): Promise<void> {
  fs.rmSync(dataDir, { recursive: true, force: true })
  await copyFolder(backup, dataDir)
}

/** A hot standby that follows asynchronously, with data in `dataDir`. Both take the same password. */
export async function startStandby(primary: RunningPostgres, dataDir: string): Promise<Postgres> {
  await takeBaseBackup(primary, dataDir)
  const { hostname, port, username, password } = new URL(primary.url)
  const conninfo = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`
  fs.appendFileSync(path.join(dataDir, 'postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`)
  writeAsOwner(path.join(dataDir, 'standby.signal'), '')
  fs.writeFileSync(`${dataDir}.password`, decodeURIComponent(password), { mode: 0o600 })
  const standby = await startPostgres({ dataDir, throwaway: true, log: () => undefined })
  await untilCaughtUp(primary, standby)
  return standby
}

/** Until the standby has all that was committed on the primary by now. */
export async function untilCaughtUp(primary: { url: string }, standby: { url: string }): Promise<void> {
  const at = await valueOf(primary.url, 'select pg_current_wal_flush_lsn()::text')
  await eventually(
    async () =>
      (await valueOf(standby.url, `select pg_last_wal_replay_lsn() >= '${String(at)}'::pg_lsn`)) === true,
    60_000,
  )
}

/** From here on it gets nothing any more: what the primary commits now is lost if the standby takes its place. */
export async function cutOffStandby(standby: { url: string }): Promise<void> {
  await withClient(standby.url, async (client) => {
    await client.query(`alter system set primary_conninfo = ''`)
    await client.query('select pg_reload_conf()')
  })
  await eventually(
    async () => (await valueOf(standby.url, 'select count(*) = 0 from pg_stat_wal_receiver')) === true,
  )
}

/** It takes writes when this returns. End the primary before, or there are two. */
export async function promoteStandby(standby: { url: string }): Promise<void> {
  const isPromoted = await valueOf(standby.url, 'select pg_promote(true, 60)')
  if (isPromoted !== true) throw new Error('the standby was not promoted')
}

/** The store as it would be after a power cut at this moment: the server stands still for as long as it is copied. */
export async function copyTemporalStore(
  server: { pid: number; dbFile: string },
  backup: string,
): Promise<void> {
  process.kill(server.pid, 'SIGSTOP')
  try {
    fs.copyFileSync(server.dbFile, backup)
    if (fs.existsSync(`${server.dbFile}-wal`)) fs.copyFileSync(`${server.dbFile}-wal`, `${backup}-wal`)
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
}

/** Puts a copy in the place of a server that has ended. */
export function restoreTemporalStore(backup: string, dbFile: string): void {
  for (const suffix of ['', '-wal', '-shm']) fs.rmSync(`${dbFile}${suffix}`, { force: true })
  fs.copyFileSync(backup, dbFile)
  if (fs.existsSync(`${backup}-wal`)) fs.copyFileSync(`${backup}-wal`, `${dbFile}-wal`)
}

/** With owners and modes; files of a server that runs may vanish while they are copied. */
async function copyFolder(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    fs.mkdirSync(to, { recursive: true, mode: 0o700 })
    const { uid, gid } = fs.statSync(from)
    fs.chownSync(to, uid, gid)
    try {
      await runFile('cp', ['-a', `${from}/.`, to])
      return
    } catch (error) {
      if (attempt === COPY_ATTEMPTS || !/No such file/.test(String(error))) throw error
    }
  }
}

/** The server has to read it, and runs as whoever owns the folder. */
function writeAsOwner(file: string, text: string): void {
  const { uid, gid } = fs.statSync(path.dirname(file))
  fs.writeFileSync(file, text, { mode: 0o600 })
  fs.chownSync(file, uid, gid)
}

async function valueOf(url: string, query: string): Promise<unknown> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<unknown[]>({ text: query, rowMode: 'array' })
    return rows[0]?.[0]
  })
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}
