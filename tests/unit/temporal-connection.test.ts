/** From variables of the environment to how Temporal is reached. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { workerProcess, workerSettings } from '../../cli/dev/children.ts'
import { devConfig } from '../../cli/dev/services.ts'
import { loadConfig } from '../../config.ts'
import { temporalClientConnection, temporalConnection } from '../../lib/temporal-connection.ts'

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

  it('of a client looks again within two seconds when Temporal comes back', () => {
    const { channelArgs, ...rest } = temporalClientConnection({
      temporalAddress: 'temporal.example.org:7233',
    })
    expect(channelArgs).toMatchObject({ 'grpc.max_reconnect_backoff_ms': 2_000 })
    expect(rest).toEqual(temporalConnection({ temporalAddress: 'temporal.example.org:7233' }))
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
  const planOf = (environment: Record<string, string>) => ({
    dataDir: folder,
    config: devConfig(environment),
    environment,
    databaseUrl: 'postgres://somewhere',
    apiDatabaseUrl: 'postgres://somewhere',
    workerDatabaseUrl: 'postgres://worker@somewhere',
    temporalAddress: 'somewhere:7233',
    temporalUiUrl: '',
    codecToken: '',
    moreCommands: '/data/late-fee/commands.json',
  })
  const environmentOf = (environment: Record<string, string>) => workerProcess(planOf(environment)).env

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

  it('are told all that a worker needs which somebody runs in their place, and nothing of the API', () => {
    const settings = workerSettings(planOf({}))
    expect(settings).toMatchObject({
      DATABASE_URL: 'postgres://worker@somewhere',
      TEMPORAL_ADDRESS: 'somewhere:7233',
      COUNTERSIGN_KEYS_DIR: join(folder, 'keys'),
      COUNTERSIGN_SECRETS_FILE: join(folder, 'secrets.json'),
      COUNTERSIGN_IDENTITY: 'asserted',
    })
    expect(Object.keys(settings).filter((name) => /CODEC|PORT$|PUBLIC/.test(name))).toEqual([])
  })

  it('read the commands of people first, from their own file, and those of an example beside them', () => {
    const filesOf = (environment: Record<string, string>) =>
      workerSettings(planOf(environment))['COUNTERSIGN_COMMANDS_FILE']
    expect(filesOf({})).toBe(`${resolve('countersign.commands.json')},/data/late-fee/commands.json`)
    const named = { COUNTERSIGN_COMMANDS_FILE: 'mine/commands.json' }
    expect(filesOf(named)).toBe(`${resolve('mine/commands.json')},/data/late-fee/commands.json`)
  })
})
