/** Where the address of our database comes from: a variable, or a file, and never both. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { workerProcess } from '../../cli/dev/children.ts'
import { devConfig } from '../../cli/dev/services.ts'
import { loadConfig } from '../../config.ts'
import { readDatabaseAddress } from '../../lib/database-address.ts'

const ADDRESS = 'postgres://countersign:secret@db.example/countersign'
let folder: string
let file: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-address-'))
  file = join(folder, 'database-url')
  writeFileSync(file, `${ADDRESS}\n`, { mode: 0o600 })
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the address of the database', () => {
  it('is what the file holds', () => {
    expect(loadConfig({}, { DATABASE_URL_FILE: file }).databaseUrl).toBe(ADDRESS)
  })

  it('is refused where two are set', () => {
    expect(() => loadConfig({}, { DATABASE_URL_FILE: file, DATABASE_URL: ADDRESS })).toThrow(
      /^the configuration is not complete:\n {2}DATABASE_URL_FILE: is of no use while DATABASE_URL is set: remove one of them$/,
    )
  })

  it('is asked for by the name of the file that is not there, or empty, with all else that is wrong', () => {
    const missing = join(folder, 'missing')
    expect(() => loadConfig({}, { DATABASE_URL_FILE: missing, PORT: 'x' })).toThrow(
      new RegExp(`DATABASE_URL_FILE: names ${missing}, which cannot be read \\(ENOENT\\)\n {2}PORT: `),
    )
    const empty = join(folder, 'empty')
    writeFileSync(empty, '\n')
    expect(() => loadConfig({}, { DATABASE_URL_FILE: empty })).toThrow(`names ${empty}, which is empty`)
    expect(() => loadConfig({}, {})).toThrow('DATABASE_URL: is not set')
  })

  it('is that of `countersign dev` too, whose processes get one only', () => {
    const environment = { DATABASE_URL_FILE: file }
    const config = devConfig(environment)
    expect(config.databaseUrl).toBe(ADDRESS)
    const plan = { dataDir: folder, config, environment, databaseUrl: ADDRESS, apiDatabaseUrl: ADDRESS }
    const of = {
      workerDatabaseUrl: ADDRESS,
      temporalAddress: 'somewhere:7233',
      temporalUiUrl: '',
      codecToken: '',
      moreCommands: undefined,
    }
    const { env } = workerProcess({ ...plan, ...of })
    expect(loadConfig({}, env).databaseUrl).toBe(ADDRESS)
  })
})

describe('the address of a target database', () => {
  it.each([
    'postgres://app:Xk9@Tr0ub4dor/3@host/db',
    'postgres://app:12/b@host/db',
    'postgres://app:pw@host/db/more',
    'hello world',
  ])('is refused where a part of the password would be the host, and quotes nothing of it: %s', (text) => {
    const read = readDatabaseAddress(text)
    const problems = 'problems' in read ? read.problems : []
    expect(problems).not.toEqual([])
    expect(problems.join(' ')).not.toMatch(/Tr0ub4dor|Xk9|12/)
  })

  it('takes a password whose special characters are written encoded', () => {
    const read = readDatabaseAddress('postgres://app:Xk9%40Tr0ub4dor%2F3@host/db')
    expect(read).toMatchObject({ address: { hostname: 'host', password: 'Xk9@Tr0ub4dor/3', database: 'db' } })
  })
})
