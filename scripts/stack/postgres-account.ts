/**
 * PostgreSQL refuses to run as root. As root, this finds the account it runs as and a data directory that the account
 * can reach; as anybody else it runs as ourselves in the directory asked for.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { CodedError } from '../../schemas/errors.ts'
import { makeSharedRoot, POSTGRES_ENVIRONMENT } from './postgres-binaries.ts'
import type { Log } from './waiting.ts'
import { run } from './waiting.ts'

export interface Account {
  uid: number
  gid: number
}

const ACCOUNT_NAME = 'postgres'

/** Undefined: run as ourselves. An existing cluster keeps its owner, so that root and its owner can take turns. */
export async function findAccount(dataDir: string, log: Log): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const cluster = statSync(path.join(dataDir, 'PG_VERSION'), { throwIfNoEntry: false })
  if (cluster !== undefined && cluster.uid !== 0) return { uid: cluster.uid, gid: cluster.gid }
  const existing = await lookUp(ACCOUNT_NAME)
  if (existing !== undefined) return existing
  log(`PostgreSQL does not run as root: creating the system account \`${ACCOUNT_NAME}\``)
  const flags = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin']
  const created = await run('useradd', [...flags, ACCOUNT_NAME], {
    env: POSTGRES_ENVIRONMENT,
    timeoutMs: 20_000,
  })
  const account = await lookUp(ACCOUNT_NAME)
  if (account !== undefined) return account
  throw new CodedError(
    'UNAVAILABLE',
    `PostgreSQL does not run as root, and the account \`${ACCOUNT_NAME}\` cannot be created (${created.output}). ` +
      'Create it, run this as another user, or set DATABASE_URL to a PostgreSQL server of your own.',
  )
}

async function lookUp(name: string): Promise<Account | undefined> {
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map((flag) => run('id', [flag, name], { env: POSTGRES_ENVIRONMENT, timeoutMs: 5_000 })),
  )
  if (!uid?.succeeded || !gid?.succeeded) return undefined
  return { uid: Number(uid.output), gid: Number(gid.output) }
}

export interface ChooseDataDirOptions {
  wished: string
  account: Account | undefined
  sharedRoot: string
  log: Log
}

/**
 * The directory wished for, or one below `sharedRoot` when the account cannot get there. The other place is noted
 * beside the wished directory: removing that note (with the folder it is in) gives a fresh database, as one expects.
 */
export async function chooseDataDir(options: ChooseDataDirOptions): Promise<string> {
  const { wished, account } = options
  mkdirSync(path.dirname(wished), { recursive: true })
  if (account === undefined) return wished
  const noted = notedDataDir(wished)
  if (noted !== undefined) return noted
  const blocked = await firstBlockedParent(wished, account)
  if (blocked === undefined) return wished
  makeSharedRoot(options.sharedRoot)
  const elsewhere = path.join(options.sharedRoot, `data-${randomBytes(6).toString('hex')}`)
  const blockedToo = await firstBlockedParent(elsewhere, account)
  if (blockedToo !== undefined) {
    const detail = `The account for PostgreSQL (uid ${account.uid}) can enter neither ${blocked} nor ${blockedToo}.`
    throw new CodedError('UNAVAILABLE', `${detail} Allow it with \`chmod o+x\`, or set DATABASE_URL.`)
  }
  options.log(`the account for PostgreSQL cannot enter ${blocked}: keeping the data in ${elsewhere}`)
  writeFileSync(locationNote(wished), `${elsewhere}\n`)
  return elsewhere
}

function locationNote(wished: string): string {
  return `${wished}.location`
}

/** Only a place that `chooseDataDir` could have chosen: the note's place may be removed as a whole. */
export function notedDataDir(wished: string): string | undefined {
  const note = locationNote(wished)
  const noted = existsSync(note) ? readFileSync(note, 'utf8').trim() : ''
  return /\/data-[0-9a-f]{12}$/.test(noted) ? noted : undefined
}

/** Asks the system itself, as the account, because modes alone do not tell of groups and access lists. */
async function firstBlockedParent(target: string, account: Account): Promise<string | undefined> {
  for (const parent of parentsOf(target)) {
    const options = { cwd: '/', env: POSTGRES_ENVIRONMENT, account, timeoutMs: 5_000 }
    const entered = await run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', parent], options)
    if (!entered.succeeded) return parent
  }
  return undefined
}

function parentsOf(target: string): string[] {
  const parents: string[] = []
  let current = path.resolve(target)
  while (path.dirname(current) !== current) {
    current = path.dirname(current)
    parents.unshift(current)
  }
  return parents
}
