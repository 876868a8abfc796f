/** What may stand in the address of a database, at save and when its secrets are filled in. */
import { expect, test } from 'vitest'
import { readDatabaseAddress } from '../../lib/database-address.ts'
import { connectionPlaces } from '../../manifests/connections.ts'
import { ofKind, parseDocuments } from '../../manifests/document.ts'

const GOOD = 'postgres://app:p%40ss@db.example:6432/shop'

test('an address is read into its parts', () => {
  expect(readDatabaseAddress(GOOD)).toEqual({
    address: {
      hostname: 'db.example',
      port: 6432,
      database: 'shop',
      user: 'app',
      password: 'p@ss',
      sslMode: 'disable',
    },
  })
  expect(readDatabaseAddress('postgresql://app@[::1]/shop?sslmode=verify-full')).toMatchObject({
    address: { hostname: '::1', port: 5432, password: '', sslMode: 'verify-full' },
  })
})

test.each([
  [
    'a file',
    `${GOOD}?sslrootcert=/etc/passwd`,
    'the parameter sslrootcert is not taken: give the certificate itself',
  ],
  ['a key of the worker', `${GOOD}?sslmode=require&sslkey=/keys/k`, 'the parameter sslkey is not taken'],
  ['another host', `${GOOD}?host=/var/run/postgresql`, 'the parameter host is not taken'],
  ['settings', `${GOOD}?options=-c%20search_path=x`, 'the parameter options is not taken'],
  ['half a password', 'postgres://app:a?hunter2@db/shop', 'it must'],
  ['a mode that it may choose itself', `${GOOD}?sslmode=prefer`, 'sslmode must be one of disable, require'],
  ['two modes', `${GOOD}?sslmode=verify-full&sslmode=disable`, 'sslmode may stand there once'],
  ['a path as host', 'postgres://app:pw@%2Ftmp/shop', 'no path'],
  ['no host', 'postgres:///shop', 'it must name the host'],
  ['no user', 'postgres://db/shop', 'it must name the user'],
  ['no database', 'postgres://app@db', 'it must name the database'],
  ['port 0', 'postgres://app@db:0/shop', 'the port must be'],
  ['a file as a whole', 'file:///etc/passwd', 'it must begin with postgres://'],
  ['a socket', 'socket:/tmp?db=x', 'it must begin with postgres://'],
])('%s is refused', (_what, address, problem) => {
  const read = readDatabaseAddress(address)
  const problems = 'problems' in read ? read.problems.join('; ') : 'it was taken'
  expect(problems).toContain(problem)
  expect(problems).not.toMatch(/hunter2|p%40ss|passwd/)
})

test('what a manifest says itself is refused when it is saved', () => {
  expect(problemsOf({ url: `${GOOD}?sslrootcert=/etc/passwd&host=/tmp` })).toHaveLength(2)
  expect(problemsOf({ url: 'postgres://app:${secret:PW}@db/shop?passfile=x' })).toHaveLength(1)
  expect(problemsOf({ url: '${secret:URL}', tls: { ca: '${secret:CA}', key: '${secret:KEY}' } })).toEqual([])
  expect(problemsOf({ url: '${secret:URL}', tls: { key: '-----BEGIN' } })).toEqual([
    'manifests[0].spec.tls.key: must be a secret, as `${secret:NAME}`',
  ])
  expect(problemsOf({ url: GOOD, tls: { ca: 'x' } })).toEqual([
    'manifests[0].spec.tls: is of no use without `sslmode` in the address: add `?sslmode=verify-full`',
  ])
})

test('an address over HTTP holds no credentials', () => {
  const spec = { type: 'mcp', transport: 'http', url: 'https://me:hunter2@tools.example/mcp' }
  expect(placesOf(spec)).toEqual([
    'manifests[0].spec.url: may hold no credentials: send them in `headers`, as `Bearer ${secret:NAME}` or the like',
  ])
})

function problemsOf(over: Record<string, unknown>): string[] {
  return placesOf({ type: 'postgres', tables: {}, ...over })
}

function placesOf(spec: Record<string, unknown>): string[] {
  const { documents, places } = parseDocuments([{ kind: 'Connection', name: 'shop', spec }])
  const found = [...places, ...ofKind(documents, 'Connection').flatMap(connectionPlaces)]
  return found.map(({ path, message }) => `${path}: ${message}`)
}
