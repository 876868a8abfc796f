/** What a mistyped setting is answered with: every one at once, by name, without the value where that is a secret. */
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../config.ts'
import { programFile } from '../support/package.ts'

const GOOD = { DATABASE_URL: 'postgres://api:s3cret@db:5432/countersign' }

function problem(environment: Record<string, string>): string {
  try {
    loadConfig({}, { ...GOOD, ...environment })
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

describe('the configuration', () => {
  it.each([
    'temporal:7233',
    'temporal.example.org',
    'ns.abcde.tmprl.cloud:7233',
    '127.0.0.1:7233',
    '[::1]:7233',
  ])('takes %s for the address of Temporal', (address) => {
    expect(problem({ TEMPORAL_ADDRESS: address })).toBe('')
  })

  it.each(['http://temporal:7233', 'temporal:port', 'user@temporal:7233', 'temporal/7233'])(
    'refuses %s, and says what the address of Temporal looks like',
    (address) => {
      expect(problem({ TEMPORAL_ADDRESS: address })).toContain('TEMPORAL_ADDRESS: must be HOST:PORT')
    },
  )

  it.each([
    'mysql://u:s3cret@db/x',
    'db:5432',
    'postgres://u:s3#cret@db/x',
    'postgres://u:s3/cret@db/x',
    'postgres://u:1?s3cret@db/x',
    'postgres://u:12#s3cret@db/x',
  ])('refuses a database address that the driver would misread, and tells nothing of it: %s', (address) => {
    const told = problem({ DATABASE_URL: address })
    expect(told).toContain('DATABASE_URL: must be postgres://USER:PASSWORD@HOST:PORT/DATABASE')
    expect(told).not.toContain('cret')
  })

  it('takes a password that is written encoded, and what PostgreSQL itself takes', () => {
    for (const address of [
      'postgres://u:s3%23cret@db/x',
      'postgresql://u@db/x?sslmode=verify-full&sslrootcert=/etc/ca.pem',
      'postgres:///countersign?host=/var/run/postgresql',
    ]) {
      expect(problem({ DATABASE_URL: address })).toBe('')
    }
  })

  it('tells what goes only with other settings together with what is wrong by itself', () => {
    const told = problem({
      PORT: 'x',
      HOST: '0.0.0.0',
      COUNTERSIGN_CODEC_TOKEN: 'a'.repeat(32),
      TEMPORAL_TLS: 'false',
      TEMPORAL_TLS_CLIENT_CERT_PATH: 'client.pem',
      TEMPORAL_TLS_SERVER_NAME: 'temporal.example.org',
    })
    expect(told.split('\n').slice(1)).toEqual([
      expect.stringMatching(/^ {2}PORT: /),
      '  COUNTERSIGN_CODEC_TOKEN: shows all values to whoever has it: only for an API that listens on loopback',
      '  TEMPORAL_TLS_CLIENT_CERT_PATH: needs TEMPORAL_TLS_CLIENT_KEY_PATH too: a pair, or neither',
      '  TEMPORAL_TLS_CLIENT_CERT_PATH: is of no use while TEMPORAL_TLS is false: remove one of them',
      '  TEMPORAL_TLS_SERVER_NAME: is of no use while TEMPORAL_TLS is false: remove one of them',
    ])
    for (const host of ['127.0.0.1', '::1', 'localhost'])
      expect(problem({ HOST: host, COUNTERSIGN_CODEC_TOKEN: 'a'.repeat(32) })).toBe('')
  })

  it('is told as one line of the log at the start of a process, with all that is wrong and without a trace', () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [programFile('workers/main')], {
      env: {
        PATH: process.env['PATH'],
        TZ: 'UTC',
        DATABASE_URL: 'mysql://x',
        TEMPORAL_ADDRESS: 'http://foo',
        PORT: 'x',
      },
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    expect(stderr).toBe('')
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(1)
    const { level, msg } = JSON.parse(lines[0] ?? '') as { level: number; msg: string }
    expect(level).toBe(60)
    for (const name of ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'PORT']) expect(msg).toContain(`${name}: `)
    expect(msg).not.toContain('    at ')
  })
})
