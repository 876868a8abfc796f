/**
 * What `sslmode` promises, at a real PostgreSQL with TLS and one without: of a connection to somebody's database, and of
 * the address of our own. Whoever promises to look at the certificate refuses a wrong one, and says why.
 */
import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { createTargetDatabases, type TargetDatabase } from '../../activities/executors/sql-targets.ts'
import { withConnection } from '../../activities/executors/sql-connection.ts'
import { createDatabase } from '../../db/database.ts'
import { parseAllowedHosts } from '../../lib/allowed-hosts.ts'
import { startPostgres, type Postgres } from '../../scripts/stack/postgres.ts'
import { makeTestFolder, removeTestFolder } from '../stack/test-folder.ts'
import { makeCertificate } from '../support/certificates.ts'
import { databaseAt, limits } from '../support/sql-target.ts'

const authority = makeCertificate('authority')
const stranger = makeCertificate('stranger')
/** Its certificate is for `localhost`, and not for 127.0.0.1. */
const ofServer = makeCertificate('localhost', authority)

const places = makeTestFolder()
let postgres: Postgres
const caFile = join(places.folder, 'ca.pem')
const strangerFile = join(places.folder, 'stranger.pem')

beforeAll(async () => {
  writeFileSync(caFile, authority.cert)
  writeFileSync(strangerFile, stranger.cert)
  postgres = await startPostgres({ dataDir: places.postgresDir, log: () => undefined, throwaway: true })
  const dataDir = postgres.dataDir ?? expect.unreachable()
  const { uid, gid } = statSync(dataDir)
  for (const [name, text] of [
    ['server.crt', ofServer.cert],
    ['server.key', ofServer.key],
  ] as const) {
    const file = join(dataDir, name)
    writeFileSync(file, text)
    chmodSync(file, 0o600)
    chownSync(file, uid, gid)
  }
  const database = createDatabase(postgres.url)
  await database.query('alter system set ssl = on')
  await database.query('select pg_reload_conf()')
  const endMs = Date.now() + 20_000
  while ((await database.query<{ ssl: string }>('show ssl')).rows[0]?.ssl !== 'on') {
    if (Date.now() > endMs) throw new Error('the server takes no TLS')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await database.end()
})
afterAll(() => removeTestFolder(places.folder))

type Where = 'localhost' | '127.0.0.1' | 'without TLS'

function addressOf(where: Where, parameters: Record<string, string>): string {
  const url = new URL(where === 'without TLS' ? inject('databaseUrl') : postgres.url)
  if (where !== 'without TLS') url.hostname = where
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return url.href
}

const IS_ENCRYPTED = 'select ssl from pg_stat_ssl where pid = pg_backend_pid()'
const saidOf = (error: Error): string => error.message

const NO_TLS = 'The server does not support SSL connections'
const WRONG_NAME =
  /^Hostname\/IP does not match certificate's altnames: IP: 127\.0\.0\.1 is not in the cert's list/
const WRONG_CA = /^(self-signed certificate in certificate chain|unable to verify the first certificate)$/

describe('a connection to a database', () => {
  const targets = createTargetDatabases(parseAllowedHosts('localhost,127.0.0.1'))
  afterAll(() => targets.close())

  /** Whether it is encrypted, or why there is none. */
  async function reach(where: Where, sslmode: string | null, ca?: string): Promise<boolean | string> {
    const url = addressOf(where, sslmode === null ? {} : { sslmode })
    const target: TargetDatabase = { ...databaseAt(url), tls: { ca } }
    return targets.lend(target, (pool) =>
      withConnection(pool, limits(), async (client) => {
        const { rows } = await client.query<{ ssl: boolean }>(IS_ENCRYPTED)
        return rows[0]?.ssl ?? 'nobody knows'
      }).catch(saidOf),
    )
  }

  it.each<[string | null, Where, string | undefined, boolean]>([
    [null, 'localhost', undefined, false],
    ['disable', 'localhost', undefined, false],
    ['disable', 'without TLS', undefined, false],
    ['require', 'localhost', undefined, true],
    ['require', '127.0.0.1', undefined, true],
    ['require', 'localhost', stranger.cert, true],
    ['verify-ca', 'localhost', authority.cert, true],
    ['verify-ca', '127.0.0.1', authority.cert, true],
    ['verify-full', 'localhost', authority.cert, true],
  ])('with %s to %s is made, with TLS or not as it says (%#)', async (sslmode, where, ca, isEncrypted) => {
    expect(await reach(where, sslmode, ca)).toBe(isEncrypted)
  })

  it.each<[string, string, Where, string | undefined, string | RegExp]>([
    ['require', 'a server without TLS', 'without TLS', undefined, NO_TLS],
    ['verify-ca', 'a server without TLS', 'without TLS', authority.cert, NO_TLS],
    ['verify-full', 'a server without TLS', 'without TLS', authority.cert, NO_TLS],
    ['verify-ca', 'a stranger’s word', 'localhost', stranger.cert, WRONG_CA],
    ['verify-ca', 'nobody’s word', 'localhost', undefined, WRONG_CA],
    ['verify-full', 'a stranger’s word', 'localhost', stranger.cert, WRONG_CA],
    ['verify-full', 'nobody’s word', 'localhost', undefined, WRONG_CA],
    ['verify-full', 'another name', '127.0.0.1', authority.cert, WRONG_NAME],
  ])('with %s refuses %s', async (sslmode, _what, where, ca, says) => {
    expect(await reach(where, sslmode, ca)).toMatch(says)
  })
})

describe('the address of our own database', () => {
  async function reach(where: Where, parameters: Record<string, string>): Promise<boolean | string> {
    const database = createDatabase(addressOf(where, parameters))
    try {
      return (await database.query<{ ssl: boolean }>(IS_ENCRYPTED)).rows[0]?.ssl ?? 'nobody knows'
    } catch (error) {
      return saidOf(error as Error)
    } finally {
      await database.end()
    }
  }

  it.each<[string, Where, Record<string, string>, boolean]>([
    ['nothing said', 'localhost', {}, false],
    ['disable', 'localhost', { sslmode: 'disable' }, false],
    ['no-verify', '127.0.0.1', { sslmode: 'no-verify' }, true],
    ['verify-full', 'localhost', { sslmode: 'verify-full', sslrootcert: caFile }, true],
  ])(
    'with %s to %s is reached, with TLS or not as it says',
    async (_mode, where, parameters, isEncrypted) => {
      expect(await reach(where, parameters)).toBe(isEncrypted)
    },
  )

  // The driver does all that `verify-full` does for those three, too.
  const checking = ['require', 'verify-ca', 'verify-full']
  it.each(checking)(
    'with %s refuses a stranger’s word, another name and a server without TLS',
    async (sslmode) => {
      expect(await reach('localhost', { sslmode, sslrootcert: strangerFile })).toMatch(WRONG_CA)
      expect(await reach('localhost', { sslmode })).toMatch(WRONG_CA)
      expect(await reach('127.0.0.1', { sslmode, sslrootcert: caFile })).toMatch(WRONG_NAME)
      expect(await reach('without TLS', { sslmode, sslrootcert: caFile })).toBe(NO_TLS)
    },
  )
})
