/** From variables of the environment to how Temporal is reached. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { workerProcess } from '../../cli/dev/children.ts'
import { devConfig } from '../../cli/dev/services.ts'
import { loadConfig } from '../../config.ts'
import { temporalConnection } from '../../lib/temporal-connection.ts'

const folder = mkdtempSync(join(tmpdir(), 'countersign-temporal-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string): string {
  const path = join(folder, name)
  writeFileSync(path, name)
  return path
}

function reachedWith(environment: Record<string, string>) {
  const address = { DATABASE_URL: 'postgres://somewhere', TEMPORAL_ADDRESS: 'temporal.example.org:7233' }
  return temporalConnection(loadConfig({}, { ...address, ...environment }))
}

describe('the connection to Temporal', () => {
  it('is plain where nothing is said', () => {
    expect(reachedWith({})).toEqual({ address: 'temporal.example.org:7233', tls: false })
    expect(reachedWith({ TEMPORAL_TLS: 'false' })).toMatchObject({ tls: false })
  })

  it('is over TLS where that is said, or an API key is given', () => {
    expect(reachedWith({ TEMPORAL_TLS: 'true' })).toEqual({ address: 'temporal.example.org:7233', tls: {} })
    expect(reachedWith({ TEMPORAL_API_KEY: 'key' })).toMatchObject({ tls: {}, apiKey: 'key' })
    expect(reachedWith({ TEMPORAL_API_KEY: 'key', TEMPORAL_TLS: 'false' })).toMatchObject({ tls: false })
  })

  it('has the certificates of the files, and the name that the server has', () => {
    const environment = {
      TEMPORAL_TLS_CLIENT_CERT_PATH: file('client'),
      TEMPORAL_TLS_CLIENT_KEY_PATH: file('key'),
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('authority'),
      TEMPORAL_TLS_SERVER_NAME: 'inner.example.org',
    }
    expect(reachedWith(environment).tls).toEqual({
      clientCertPair: { crt: Buffer.from('client'), key: Buffer.from('key') },
      serverRootCACertificate: Buffer.from('authority'),
      serverNameOverride: 'inner.example.org',
    })
  })

  it('is refused with half a pair, with a word against the others, or without the file', () => {
    const half = /TEMPORAL_TLS_CLIENT_CERT_PATH: needs TEMPORAL_TLS_CLIENT_KEY_PATH too/
    expect(() => reachedWith({ TEMPORAL_TLS_CLIENT_CERT_PATH: file('client') })).toThrow(half)
    const otherHalf = /TEMPORAL_TLS_CLIENT_KEY_PATH: needs TEMPORAL_TLS_CLIENT_CERT_PATH too/
    expect(() => reachedWith({ TEMPORAL_TLS_CLIENT_KEY_PATH: file('key') })).toThrow(otherHalf)
    const against = /TEMPORAL_TLS_SERVER_NAME: is of no use while TEMPORAL_TLS is false/
    expect(() => reachedWith({ TEMPORAL_TLS: 'false', TEMPORAL_TLS_SERVER_NAME: 'inner' })).toThrow(against)
    expect(() => reachedWith({ TEMPORAL_TLS: 'maybe' })).toThrow(/TEMPORAL_TLS: /)
    const missing = join(folder, 'nowhere')
    expect(() => reachedWith({ TEMPORAL_TLS_SERVER_CA_CERT_PATH: missing })).toThrow(
      `TEMPORAL_TLS_SERVER_CA_CERT_PATH names ${missing}, which cannot be read (ENOENT)`,
    )
  })
})

describe('the processes of `countersign dev`', () => {
  const said = {
    TEMPORAL_API_KEY: 'key',
    TEMPORAL_TLS_CLIENT_CERT_PATH: 'client.pem',
    TEMPORAL_TLS_CLIENT_KEY_PATH: 'client.key.pem',
  }
  const environmentOf = (environment: Record<string, string>) =>
    workerProcess(
      {
        dataDir: folder,
        config: devConfig(environment),
        environment,
        databaseUrl: 'postgres://somewhere',
        apiDatabaseUrl: 'postgres://somewhere',
        workerDatabaseUrl: 'postgres://somewhere',
        temporalAddress: 'somewhere:7233',
        temporalUiUrl: '',
        codecToken: '',
      },
      {},
    ).env

  it('reach the Temporal that was named as it was said, from whatever folder they run in', () => {
    expect(environmentOf({ ...said, TEMPORAL_ADDRESS: 'temporal.example.org:7233' })).toMatchObject({
      TEMPORAL_API_KEY: 'key',
      TEMPORAL_TLS_CLIENT_CERT_PATH: resolve('client.pem'),
      TEMPORAL_TLS_CLIENT_KEY_PATH: resolve('client.key.pem'),
    })
  })

  it('reach the stack’s own Temporal without', () => {
    const names = Object.keys(environmentOf(said) ?? {})
    expect(names.filter((name) => /TLS|API_KEY/.test(name))).toEqual([])
  })
})
