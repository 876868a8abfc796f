/** The operator's word on where connections may lead. */
import { expect, test } from 'vitest'
import { allowedFor, allowsAddress, namesPlace, parseAllowedHosts } from '../../lib/allowed-hosts.ts'

const LIST = parseAllowedHosts(
  'db.internal:5432, 10.1.0.0/16, [fd00::/8]:8443, acme=Tools.Internal, 127.0.0.1',
)

test('it names hosts, networks, ports and organizations', () => {
  expect(LIST).toEqual([
    { host: 'db.internal', port: 5432 },
    { host: '10.1.0.0', prefix: 16 },
    { host: 'fd00::', prefix: 8, port: 8443 },
    { host: 'tools.internal', organization: 'acme' },
    { host: '127.0.0.1' },
  ])
  expect(allowedFor(LIST, 'rival').some(({ host }) => host === 'tools.internal')).toBe(false)
})

test.each([
  ['db.internal', 5432, true],
  ['DB.internal', 5432, true],
  ['db.internal', 5433, false],
  ['other.internal', 5432, false],
  ['10.1.255.255', 80, true],
  ['10.2.0.0', 80, false],
  ['::ffff:10.1.2.3', 80, true],
  ['fd12::1', 8443, true],
  ['fd12::1', 80, false],
  ['localhost', 80, true],
  ['127.0.0.2', 80, false],
])('a place at %s, port %d: %s', (hostname, port, isNamed) => {
  expect(namesPlace(LIST, { hostname, port })).toBe(isNamed)
})

test('a name that leads into a network that it names may be followed there', () => {
  expect(allowsAddress(LIST, { hostname: 'some.example', port: 80 }, '10.1.2.3')).toBe(true)
  expect(allowsAddress(LIST, { hostname: 'some.example', port: 80 }, '10.2.2.3')).toBe(false)
})

test.each(['10.1.0.0/33', 'db:0', 'db:70000', 'http://db', 'db.internal/8', '[db]', 'a b', '[10.0.0.1]'])(
  '%s is refused',
  (entry) => expect(() => parseAllowedHosts(`127.0.0.1,${entry}`)).toThrow(entry),
)
